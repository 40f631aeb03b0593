"""The SDK that is set up for programs without one, from outside: real processes and receivers."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_receiver import OtlpReceiver

from llm_otel import setup
from llm_otel.exporting import Outage, QuietSpanExporter
from llm_otel.settings import Settings

SOURCE = Path(setup.__file__).parents[1]

# What every program below begins with; `use()` uses each signal once.
PROGRAM = """
import time
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
from llm_otel import setup
from llm_otel.settings import Settings

def use(name="work"):
    with trace.get_tracer("app").start_as_current_span(name):
        pass
    metrics.get_meter("app").create_counter("uses").add(1)
    get_logger("app").emit(LogRecord(event_name="used"))
"""
SET_UP_AND_USE = "providers = setup.configure(Settings.resolve())\nuse()\n"


@dataclass
class Ended:
    """A program that ended: what it logged, and how long it took after its last line (s)."""

    code: int
    out: str
    log: list[str]
    delay: float


def run(program: str, *path: Path, **environment: str) -> Ended:
    """Run PROGRAM and `program` in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
    text = PROGRAM + textwrap.dedent(program) + "\nprint('ended at', time.monotonic())\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, *path))),
            "NO_PROXY": "*",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    end = time.monotonic()
    out, _, last = done.stdout.rpartition("ended at ")
    return Ended(done.returncode, out, done.stderr.splitlines(), end - float(last or "nan"))


def nowhere() -> str:
    """An endpoint where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def exporters(tmp_path: Path) -> Path:
    """A folder with two installed exporters of spans: one `raises`, one `hangs`."""
    (tmp_path / "odd.py").write_text(
        textwrap.dedent("""
            import threading
            from opentelemetry.sdk.trace.export import SpanExporter

            class Raises(SpanExporter):
                def export(self, spans):
                    raise OSError("secret")

            class Hangs(SpanExporter):
                def export(self, spans):
                    threading.Event().wait()
        """)
    )
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_traces_exporter]\nraises = odd:Raises\nhangs = odd:Hangs\n"
    )
    return tmp_path


def test_program_that_ends_at_once_exports_everything() -> None:
    """A program without SDK that records once and ends exports its span, metric and event."""
    with OtlpReceiver() as receiver:
        ended = run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_SERVICE_NAME="shop",
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), receiver.metrics(), receiver.events()) == (
        ["work"],
        ["uses"],
        ["used"],
    )
    resource = receiver.resources("/v1/traces")[0].resource
    names = {a.key: a.value.string_value for a in resource.attributes}
    assert names["service.name"] == "shop", names


def test_nothing_listening_is_one_line_and_a_short_delay() -> None:
    """With nothing at the endpoint a program logs one line and ends as quickly as it would."""
    ended = run(SET_UP_AND_USE, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere())
    assert ended.code == 0
    assert len(ended.log) == 1, ended.log
    assert "cannot export telemetry to http://127.0.0.1" in ended.log[0]
    assert ended.delay < 2, ended


def test_a_long_outage_is_one_line() -> None:
    """However many batches are lost and queues overflow while nothing listens: one line."""
    ended = run(
        """
        providers = setup.configure(Settings.resolve())
        use()
        providers.flush(5)
        for _ in range(500):
            use()
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT=nowhere(),
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_MAX_QUEUE_SIZE="8",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
        OTEL_BLRP_MAX_QUEUE_SIZE="8",
        OTEL_BLRP_MAX_EXPORT_BATCH_SIZE="8",
        OTEL_METRIC_EXPORT_INTERVAL="50",
    )
    assert len(ended.log) == 1, ended.log
    assert ended.delay < 2, ended


@pytest.mark.parametrize(
    ("receiver", "cause"),
    [(OtlpReceiver(hangs=True), "not in time"), (OtlpReceiver(404), "status 404")],
    ids=["hangs", "refuses"],
)
def test_receiver_that_misbehaves(receiver: OtlpReceiver, cause: str) -> None:
    """A receiver that hangs or refuses is one line, and the end is delayed by at most 2 s."""
    with receiver:
        ended = run(SET_UP_AND_USE, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert ended.code == 0
    assert len(ended.log) == 1, ended.log
    assert cause in ended.log[0]
    assert ended.delay < 2, ended


@pytest.mark.parametrize(("name", "cause"), [("raises", "OSError"), ("hangs", "not in time")])
def test_exporter_that_misbehaves(exporters: Path, name: str, cause: str) -> None:
    """An exporter that raises or hangs is one line, holds up no other signal and no exit."""
    with OtlpReceiver() as receiver:
        ended = run(
            SET_UP_AND_USE,
            exporters,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_EXPORTER=name,
        )
    assert (ended.code, receiver.metrics(), receiver.events()) == (0, ["uses"], ["used"])
    assert len(ended.log) == 1, ended.log
    assert cause in ended.log[0]
    assert "secret" not in ended.log[0]
    assert ended.delay < 2, ended


def test_export_goes_on_when_the_endpoint_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """After an outage batches are delivered again and the next outage is told again."""
    caplog.set_level(logging.INFO, "llm_otel")
    with OtlpReceiver(500) as receiver:
        exporter = OTLPSpanExporter(f"{receiver.endpoint}/v1/traces")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(
            SimpleSpanProcessor(QuietSpanExporter(exporter, "spans", Outage()))
        )
        for name, status in (("a", 500), ("b", 500), ("c", 200), ("d", 500), ("e", 200)):
            receiver.status = status
            provider.get_tracer("app").start_span(name).end()
        provider.shutdown()
    assert receiver.spans() == ["a", "b", "c", "d", "e"]
    levels = [r.levelname for r in caplog.records if r.name == "llm_otel"]
    assert levels == ["WARNING", "INFO", "WARNING", "INFO"], caplog.text


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OTEL_TRACES_EXPORTER", "nobody", "OTEL_TRACES_EXPORTER names 'nobody'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "OTLP protocol 'smoke' is not known"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "cannot set up the export of spans"),
    ],
)
def test_wrong_standard_variable(variable: str, value: str, says: str) -> None:
    """A wrong standard variable is named in the log; the program and other signals go on."""
    with OtlpReceiver() as receiver:
        ended = run(
            SET_UP_AND_USE, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **{variable: value}
        )
    assert ended.code == 0
    assert says in ended.log[0], ended.log
    assert receiver.metrics() == ["uses"]


def test_exporter_none_switches_a_signal_off() -> None:
    """`OTEL_<SIGNAL>_EXPORTER=none` exports nothing of that signal."""
    with OtlpReceiver() as receiver:
        run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_METRICS_EXPORTER="none",
        )
    assert (receiver.spans(), receiver.metrics()) == (["work"], [])


def test_sampler_variable_is_respected() -> None:
    """`OTEL_TRACES_SAMPLER` decides which spans are recorded."""
    with OtlpReceiver() as receiver:
        run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_SAMPLER="always_off",
        )
    assert (receiver.spans(), receiver.metrics()) == ([], ["uses"])


@pytest.mark.parametrize("off", ["setup=False", "OTEL_SDK_DISABLED"])
def test_nothing_is_set_up_when_told_not_to(off: str) -> None:
    """With `setup=False` or `OTEL_SDK_DISABLED` a program has no SDK and exports nothing."""
    keywords, environment = (off, {}) if "=" in off else ("", {off: "true"})
    with OtlpReceiver() as receiver:
        ended = run(
            f"""
            providers = setup.configure(Settings.resolve({keywords}))
            use()
            print(providers.owned, type(trace.get_tracer_provider()).__name__)
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            **environment,
        )
    assert (ended.out.split(), ended.log) == (["False", "ProxyTracerProvider"], [])
    assert receiver.requests == []


def test_only_missing_signals_are_set_up() -> None:
    """A program's own tracer provider stays in use; metrics and events are set up beside it."""
    with OtlpReceiver() as receiver:
        ended = run(
            """
            from opentelemetry.sdk.trace import TracerProvider
            own = TracerProvider()
            trace.set_tracer_provider(own)
            providers = setup.configure(Settings.resolve())
            assert providers.tracer_provider is own
            use()
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), receiver.metrics(), receiver.events()) == ([], ["uses"], ["used"])


def test_a_second_time_uses_what_was_set_up() -> None:
    """Configuring again gives the same providers, still ours."""
    ended = run(
        """
        first = setup.configure(Settings.resolve())
        again = setup.configure(Settings.resolve())
        print(again.owned, again.tracer_provider is first.tracer_provider)
        """,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert (ended.out.split(), ended.log) == (["True", "True"], [])


def test_given_providers_win_and_stay_private() -> None:
    """Given providers are used, and are not made those of the whole program."""
    given = (TracerProvider(), MeterProvider(), LoggerProvider())
    providers = setup.configure(Settings(), *given)
    assert (
        providers.tracer_provider,
        providers.meter_provider,
        providers.logger_provider,
    ) == given
    assert not providers.owned
    assert trace.get_tracer_provider() is not given[0]
    assert metrics.get_meter_provider() is not given[1]
    for provider in given:
        provider.shutdown()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_child_exports(tmp_path: Path, method: str) -> None:
    """A child of `multiprocessing`, which ends without atexit, exports what it recorded."""
    (tmp_path / "work.py").write_text(
        PROGRAM + "def child():\n    setup.configure(Settings.resolve())\n    use('child')\n"
    )
    with OtlpReceiver() as receiver:
        ended = run(
            f"""
            import multiprocessing, work
            setup.configure(Settings.resolve())
            process = multiprocessing.get_context({method!r}).Process(target=work.child)
            process.start()
            process.join()
            use("parent")
            """,
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert receiver.spans() == ["child", "parent"]
    assert receiver.metrics() == ["uses", "uses"]


def test_forked_child_exports_as_itself() -> None:
    """A forked child exports by itself at its end, as another instance of the service."""
    with OtlpReceiver() as receiver:
        ended = run(
            """
            import os
            setup.configure(Settings.resolve())
            child = os.fork()
            use("parent" if child else "child")
            if child:
                assert os.waitpid(child, 0)[1] == 0
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert sorted(receiver.spans()) == ["child", "parent"]
    ids = {
        attribute.value.string_value
        for resource in receiver.resources("/v1/traces")
        for attribute in resource.resource.attributes
        if attribute.key == "service.instance.id"
    }
    assert len(ids) == 2, ids


def test_hooks_run_before_the_export() -> None:
    """What a hook records at exit is exported; a hook that raises changes nothing."""
    with OtlpReceiver() as receiver:
        ended = run(
            """
            providers = setup.configure(Settings.resolve())
            providers.before_flush.append(lambda seconds: 1 / 0)
            providers.before_flush.append(lambda seconds: use(f"last {seconds > 0}"))
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert ended.code == 0
    assert receiver.spans() == ["last True"]


def test_flush_exports_now_and_is_bounded() -> None:
    """`flush` exports what was recorded, and returns in time when the receiver hangs."""
    with OtlpReceiver() as receiver, OtlpReceiver(hangs=True) as hanging:
        program = """
            providers = setup.configure(Settings.resolve())
            use()
            began = time.monotonic()
            print(providers.flush(0.5), time.monotonic() - began < 1.5)
            print("ended at", time.monotonic(), flush=True)
            import os; os._exit(0)
        """
        good = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
        bad = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=hanging.endpoint)
    assert (receiver.spans(), receiver.metrics(), receiver.events()) == (
        ["work"],
        ["uses"],
        ["used"],
    )
    assert (good.out.split(), bad.out.split()) == (["True", "True"], ["False", "True"])


def test_declarative_file_is_the_only_source(tmp_path: Path) -> None:
    """With `OTEL_CONFIG_FILE` and no SDK, the SDK is what that file says and nothing beside."""
    with OtlpReceiver() as receiver, OtlpReceiver() as default:
        file = tmp_path / "otel.yaml"
        file.write_text(
            textwrap.dedent(f"""
                file_format: "1.0"
                tracer_provider:
                  processors:
                    - batch:
                        exporter:
                          otlp_http:
                            endpoint: {receiver.endpoint}/v1/traces
            """)
        )
        ended = run(
            SET_UP_AND_USE,
            OTEL_CONFIG_FILE=str(file),
            OTEL_EXPORTER_OTLP_ENDPOINT=default.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), default.requests) == (["work"], [])


def test_declarative_file_that_is_wrong(tmp_path: Path) -> None:
    """A wrong `OTEL_CONFIG_FILE` is told in the log; the program goes on without an SDK."""
    ended = run(SET_UP_AND_USE, OTEL_CONFIG_FILE=str(tmp_path / "none.yaml"))
    assert ended.code == 0
    assert "cannot read OTEL_CONFIG_FILE" in ended.log[-1], ended.log


def test_console_prints_one_line_and_no_content(capsys: pytest.CaptureFixture[str]) -> None:
    """Each GenAI span is one plain line with model, tokens, time, cost, error and tenant."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(2):
        setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    tracer = provider.get_tracer("app")
    tracer.start_span("GET /").end()
    tracer.start_span(
        "chat gpt-5",
        start_time=1_000_000_000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 34,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cost.amount": 0.00125,
            "gen_ai.input.messages": "secret",
            "llm_otel.error.class": "rate_limit",
            "tenant_id": "acme",
            "feature": "search",
        },
    ).end(3_500_000_000)
    tracer.start_span("execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}).end()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2, lines
    shown = " ".join(lines[0].split()[1:])
    assert shown == (
        "chat gpt-5 1,200 (1,000 cached) > 34 tokens 2.50 s $0.001250 rate_limit "
        "tenant_id=acme feature=search"
    )
    assert len(exporter.get_finished_spans()) == 3


def test_console_survives_a_closed_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard error, spans end as ever."""
    provider = TracerProvider(shutdown_on_exit=False)
    setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    monkeypatch.setattr(sys, "stderr", None)
    provider.get_tracer("app").start_span("x", attributes={"gen_ai.operation.name": "chat"}).end()
