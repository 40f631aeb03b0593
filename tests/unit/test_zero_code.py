"""Zero code: `opentelemetry-instrument` and declarative configuration, in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver

import llm_otel
from llm_otel.testing import Provider, provider

SOURCE = Path(llm_otel.__file__).parents[1]
PYPROJECT = SOURCE.parent / "pyproject.toml"
ENTRY_POINT = ("llm_otel", "llm_otel.instrumentor:LlmOtelInstrumentor")

CALL = """
import openai
client = openai.OpenAI(api_key="none")
answer = client.chat.completions.create(
    model="gpt-4.1-mini", messages=[{"role": "user", "content": "Hello"}]
)
print(answer.object)
"""
CONFIGURE = """
from opentelemetry.configuration import configure_sdk, load_config_file
configure_sdk(load_config_file("otel.yaml"))
"""


@pytest.fixture(scope="module")
def local() -> Iterator[Provider]:
    """The provider that the programs call."""
    with provider() as running:
        yield running


class Workplace:
    """A folder with a program to run, and the receiver that its telemetry goes to."""

    def __init__(self, folder: Path, local: Provider, receiver: OtlpReceiver) -> None:
        self.folder = folder
        self.receiver = receiver
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))},
            "PYTHONPATH": os.pathsep.join((str(folder / "installed"), str(SOURCE))),
            "NO_PROXY": "*",
            "OPENAI_BASE_URL": local.url,
            # without a provider that has prices, each program would log that it has none
            "LLM_OTEL_PROVIDERS": "127.0.0.1=openai",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            # another instrumentation of the same client is installed for other tests
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai",
        }
        self.install("llm_otel", "opentelemetry_instrumentor", *ENTRY_POINT)

    def install(self, package: str, group: str, name: str, target: str) -> None:
        """Make one entry point known, as an installed package would."""
        info = self.folder / "installed" / f"{package}-0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")

    def configure(self, section: str) -> None:
        """Write the declarative configuration, with `section` for this library."""
        text = f"""
            file_format: "1.0"
            tracer_provider:
              processors:
                - simple:
                    exporter:
                      otlp_http:
                        endpoint: {self.receiver.endpoint}/v1/traces
            instrumentation/development:
              python:
                llm_otel: {section}
        """
        (self.folder / "otel.yaml").write_text(textwrap.dedent(text))

    def run(
        self, program: str, *, zero_code: bool = True, **environment: str
    ) -> tuple[str, list[str]]:
        """Run a program; what it printed, and the lines that it logged."""
        (self.folder / "app.py").write_text(program)
        command = [sys.executable, "-W", "error", "app.py"]
        if zero_code:
            command.insert(0, str(Path(sys.executable).with_name("opentelemetry-instrument")))
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr.splitlines()

    def run_configured(self, zero_code: bool) -> tuple[str, list[str]]:
        """Run the call under the declarative configuration, loaded for it or by itself."""
        if zero_code:
            return self.run(CALL, OTEL_CONFIG_FILE="otel.yaml")
        return self.run(CONFIGURE + CALL, zero_code=False)


@pytest.fixture
def place(tmp_path: Path, local: Provider) -> Iterator[Workplace]:
    """A folder to run programs in."""
    with OtlpReceiver() as receiver:
        yield Workplace(tmp_path, local, receiver)


def test_entry_point_is_declared() -> None:
    """The package declares the entry point that the tests below install."""
    assert '{} = "{}"'.format(*ENTRY_POINT) in PYPROJECT.read_text()


def test_zero_code(place: Workplace) -> None:
    """Under `opentelemetry-instrument`, with no distro, a call is exported with its metrics."""
    assert place.run(CALL) == ("chat.completion", [])
    assert "chat gpt-4.1-mini" in place.receiver.spans()
    assert {"gen_ai.request.duration", "gen_ai.cost.usd"} <= set(place.receiver.metrics())


def test_zero_code_with_a_distro(place: Workplace) -> None:
    """The SDK that a distro's configurator sets up is the one that is used."""
    place.install("house", "opentelemetry_configurator", "house", "house:Configurator")
    (place.folder / "installed" / "house.py").write_text(
        "from opentelemetry.sdk._configuration import _OTelSDKConfigurator\n"
        "class Configurator(_OTelSDKConfigurator):\n"
        "    pass\n"
    )
    out, log = place.run(
        CALL,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    assert (out, log) == ("chat.completion", [])
    assert place.receiver.spans().count("chat gpt-4.1-mini") == 1
    assert place.receiver.metrics() == []


def test_zero_code_settings(place: Workplace) -> None:
    """Settings come from the environment."""
    out, log = place.run(CALL, LLM_OTEL_CONSOLE="true")
    assert out == "chat.completion"
    assert len(log) == 1, log
    assert "gpt-4.1-mini" in log[0]


def test_zero_code_wrong_setting(place: Workplace) -> None:
    """A wrong setting is one line in the log, and the program runs without us."""
    out, log = place.run(CALL, LLM_OTEL_CONSOLE="perhaps")
    assert out == "chat.completion"
    assert len(log) == 1, log
    assert log[0].startswith("llm-otel is off: The environment variable LLM_OTEL_CONSOLE must be")
    assert place.receiver.metrics() == []


def test_zero_code_disabled(place: Workplace) -> None:
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names us `llm_otel`."""
    assert place.run(CALL, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="llm_otel,openai") == (
        "chat.completion",
        [],
    )
    assert place.receiver.requests == []


@pytest.mark.parametrize("zero_code", [False, True], ids=["by call", "zero code"])
def test_declarative_options(place: Workplace, zero_code: bool) -> None:
    """Options in the declarative configuration are settings, with YAML's types."""
    place.configure(
        "{console: true, max_models: 3, providers: {127.0.0.1: azure.ai.openai}, tags: [team]}"
    )
    out, log = place.run_configured(zero_code)
    assert out == "chat.completion"
    assert len(log) == 1, log
    assert "gpt-4.1-mini" in log[0]
    spans = [
        span
        for resource in place.receiver.resources("/v1/traces")
        for scope in resource.scope_spans
        for span in scope.spans
        if span.name == "chat gpt-4.1-mini"
    ]
    providers = [
        attribute.value.string_value
        for span in spans
        for attribute in span.attributes
        if attribute.key == "gen_ai.provider.name"
    ]
    assert providers == ["azure.ai.openai"]


@pytest.mark.parametrize(
    ("zero_code", "section", "says"),
    [
        (False, "{consol: true}", "The keyword consol is unknown; did you mean console?"),
        (True, "{console: 3}", "The keyword console must be true or false, not 3."),
    ],
    ids=["by call", "zero code"],
)
def test_declarative_wrong_option(
    place: Workplace, zero_code: bool, section: str, says: str
) -> None:
    """A wrong option is one sentence in the log, and the program runs without us."""
    place.configure(section)
    out, log = place.run_configured(zero_code)
    assert (out, log) == ("chat.completion", [f"llm-otel is off: {says}"])


@pytest.mark.parametrize("zero_code", [False, True], ids=["by call", "zero code"])
def test_declarative_disabled(place: Workplace, zero_code: bool) -> None:
    """`enabled: false` switches us off, with `opentelemetry-instrument` too."""
    place.configure("{enabled: false}")
    assert place.run_configured(zero_code) == ("chat.completion", [])
    assert "chat gpt-4.1-mini" not in place.receiver.spans()


def test_instrumentor_by_hand(place: Workplace) -> None:
    """The instrumentor takes a provider and settings, and undoes what it did."""
    program = f"""
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from llm_otel.instrumentor import LlmOtelInstrumentor

exporter = InMemorySpanExporter()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(exporter))
LlmOtelInstrumentor().instrument(tracer_provider=tracers, setup=False)
{CALL}
LlmOtelInstrumentor().uninstrument()
{CALL}
print([span.name for span in exporter.get_finished_spans()])
"""
    out, log = place.run(program, zero_code=False)
    assert (out.splitlines()[-1], log) == ("['chat gpt-4.1-mini']", [])
