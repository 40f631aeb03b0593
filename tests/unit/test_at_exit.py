"""Outages and the end of processes: everything is exported, or one line says that it is not."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_receiver import OtlpReceiver
from programs import PROGRAM, SET_UP_AND_USE, nowhere, run

from llm_otel.sdk.exporting import Outage, QuietSpanExporter


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
        for provider in providers:
            provider.force_flush()
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


def test_flush_exports_and_the_program_goes_on() -> None:
    """`flush()` exports what there is by then, of every signal; what follows is exported too."""
    with OtlpReceiver() as receiver:
        ended = run(
            """
            import llm_otel
            llm_otel.instrument()
            use("first")
            print(llm_otel.flush())
            use("second")
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
        requests = [path for path, _ in receiver.requests]
    assert (ended.code, ended.out.split(), ended.log) == (0, ["True"], [])
    assert receiver.spans() == ["first", "second"]
    assert sorted(requests) == sorted(["/v1/traces", "/v1/metrics", "/v1/logs"] * 2)


@pytest.mark.parametrize(
    "receiver", [OtlpReceiver(hangs=True), OtlpReceiver(404)], ids=["hangs", "refuses"]
)
def test_flush_says_what_was_not_exported(receiver: OtlpReceiver) -> None:
    """False, and not later than its time is up."""
    with receiver:
        ended = run(
            """
            import llm_otel
            llm_otel.instrument()
            use()
            began = time.monotonic()
            print(llm_otel.flush(timeout=1), time.monotonic() - began < 1.5)
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert ended.out.split() == ["False", "True"], ended


def test_flush_without_anything_to_export_to() -> None:
    """A program without an SDK has nothing that could be lost."""
    ended = run("import llm_otel\nprint(llm_otel.flush())\n")
    assert (ended.out.split(), ended.log) == (["True"], [])
