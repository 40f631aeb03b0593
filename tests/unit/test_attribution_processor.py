"""`AttributionSpanProcessor`: the attribution on spans that llm-otel does not make."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext
from otlp_receiver import OtlpReceiver
from programs import run

import llm_otel
from llm_otel.attribution import configure
from llm_otel.base import guard
from llm_otel.settings import Settings

KEY = b"k" * 32


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    configure(None)


class Program:
    """A program with an SDK of its own that has added the processor."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(llm_otel.AttributionSpanProcessor())
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("shop")

    def attributes(self) -> list[dict[str, Any]]:
        """The attributes of each span, in the order of their ends."""
        return [dict(span.attributes or {}) for span in self._exporter.get_finished_spans()]


def test_spans_inside_a_block_carry_what_ours_carry() -> None:
    """The spans of other libraries have the attributes of our own step in the same block."""
    configure(Settings(tags=("plan",), user_id="hash", user_id_key=KEY))
    program = Program()
    with (
        llm_otel.attribution(
            tenant_id="acme",
            feature="chat",
            user_id="ann",
            session_id="s1",
            conversation_id="c1",
            tags={"plan": "pro", "unlisted": "secret"},
        ),
        program.tracer.start_as_current_span("outer"),
    ):
        program.tracer.start_span("inner").end()
    program.tracer.start_span("after").end()
    inner, outer, after = program.attributes()
    assert inner == outer
    assert inner.pop("user.hash", None)
    assert inner == {
        "tenant_id": "acme",
        "feature": "chat",
        "session.id": "s1",
        "gen_ai.conversation.id": "c1",
        "llm_otel.tag.plan": "pro",
    }
    assert after == {}


def test_user_ids_are_off_by_default() -> None:
    """Without the opt-in no user id is on anybody's span."""
    program = Program()
    with llm_otel.attribution(tenant_id="acme", user_id="ann"):
        program.tracer.start_span("work").end()
    assert program.attributes() == [{"tenant_id": "acme"}]


def test_attributes_of_the_program_stay() -> None:
    """What a span is started with, or is given later, is not overwritten."""
    program = Program()
    with llm_otel.attribution(tenant_id="acme", feature="chat"):
        span = program.tracer.start_span("work", attributes={"tenant_id": "own", "a": 1})
        span.set_attribute("feature", "later")
        span.end()
    assert program.attributes() == [{"tenant_id": "own", "a": 1, "feature": "later"}]


def test_explicit_context() -> None:
    """A span of an explicit context has that one's attribution, wherever it is started."""
    program = Program()
    with llm_otel.attribution(tenant_id="acme"):
        kept = get_current()
    program.tracer.start_span("outside", kept).end()
    with llm_otel.attribution(tenant_id="globex"):
        program.tracer.start_span("elsewhere", kept).end()
    assert program.attributes() == [{"tenant_id": "acme"}] * 2


@pytest.mark.parametrize("bare", [True, False], ids=["no parent", "parent"])
def test_explicit_context_without_attribution(bare: bool) -> None:
    """A library that names only a parent, or none, still works inside the block."""
    parent = NonRecordingSpan(SpanContext(1, 2, is_remote=True))
    context = Context() if bare else trace.set_span_in_context(parent, Context({"library": 1}))
    program = Program()
    with llm_otel.attribution(tenant_id="acme"):
        program.tracer.start_span("work", context).end()
    assert program.attributes() == [{"tenant_id": "acme"}]


def test_baggage_of_the_calling_service() -> None:
    """A server's span of a request has the allowed baggage that came with the request."""
    configure(Settings(baggage=("tenant_id",)))
    header = {"baggage": "llm_otel.tenant_id=acme,llm_otel.feature=no"}
    program = Program()
    program.tracer.start_span("GET /", W3CBaggagePropagator().extract(header, Context())).end()
    assert program.attributes() == [{"tenant_id": "acme"}]


def test_spans_that_are_not_recorded() -> None:
    """A span that the sampler drops costs nothing and fails nothing."""
    program = Program(ALWAYS_OFF)
    with llm_otel.attribution(tenant_id="acme"), program.tracer.start_as_current_span("work"):
        pass
    assert program.attributes() == []


def test_our_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the processor itself fails, the span starts all the same."""
    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr("llm_otel.sdk.attribution.is_ours", lambda _span: 1 / 0)
    program = Program()
    with llm_otel.attribution(tenant_id="acme"):
        program.tracer.start_span("work").end()
    assert program.attributes() == [{}]


def test_our_own_steps_are_written_once() -> None:
    """Steps on such a provider have the attribution, and their own arguments win."""
    program = Program()
    llm_otel.instrument(tracer_provider=program.provider)
    try:
        with (
            llm_otel.attribution(tenant_id="acme", conversation_id="outer"),
            llm_otel.agent("a", conversation_id="own"),
        ):
            pass
    finally:
        llm_otel.uninstrument()
    [attributes] = program.attributes()
    assert attributes["tenant_id"] == "acme"
    assert attributes["gen_ai.conversation.id"] == "own"


BLOCK = """
with llm_otel.attribution(tenant_id="acme"):
    use()
"""


def _tenants(receiver: OtlpReceiver) -> list[str]:
    return [
        attribute.value.string_value
        for resource in receiver.resources("/v1/traces")
        for scope in resource.scope_spans
        for span in scope.spans
        for attribute in span.attributes
        if attribute.key == "tenant_id"
    ]


def test_the_sdk_that_we_set_up_has_it() -> None:
    """With `instrument()` alone a span of another library carries the attribution."""
    with OtlpReceiver() as receiver:
        ended = run(
            f"import llm_otel\nllm_otel.instrument(){BLOCK}",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, ended.log, receiver.spans()) == (0, [], ["work"])
    assert _tenants(receiver) == ["acme"]


def test_the_sdk_of_a_declarative_file_has_it(tmp_path: Path) -> None:
    """So does one that we set up from `OTEL_CONFIG_FILE`."""
    file = tmp_path / "otel.yaml"
    with OtlpReceiver() as receiver:
        file.write_text(
            textwrap.dedent(f"""
                file_format: "1.0"
                tracer_provider:
                  processors:
                    - simple:
                        exporter:
                          otlp_http:
                            endpoint: {receiver.endpoint}/v1/traces
            """)
        )
        ended = run(f"import llm_otel\nllm_otel.instrument(){BLOCK}", OTEL_CONFIG_FILE=str(file))
    assert (ended.code, ended.log) == (0, [])
    assert _tenants(receiver) == ["acme"]


def test_a_program_with_an_sdk_of_its_own_decides() -> None:
    """Nothing is written on the spans of a provider that the program has set up."""
    with OtlpReceiver() as receiver:
        ended = run(
            f"""
            import llm_otel
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import SimpleSpanProcessor
            own = TracerProvider()
            own.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
            trace.set_tracer_provider(own)
            llm_otel.instrument()
            {textwrap.indent(BLOCK, " " * 12).strip()}
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, receiver.spans()) == (0, ["work"]), ended.log
    assert _tenants(receiver) == []


def test_the_sdk_is_loaded_when_it_is_used() -> None:
    """`import llm_otel` knows the name and loads no SDK for it."""
    program = (
        "import sys, llm_otel\n"
        "before = 'opentelemetry.sdk' in sys.modules\n"
        "print(before, llm_otel.AttributionSpanProcessor.__name__)\n"
        "llm_otel.NoSuchName\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.split() == ["False", "AttributionSpanProcessor"], ended.stdout
    assert "AttributeError: module 'llm_otel' has no attribute 'NoSuchName'" in ended.stderr
