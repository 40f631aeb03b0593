"""`SpanMetrics` and `priced()`: calls that other people's spans tell of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import llm_otel
from llm_otel.core import runtime
from llm_otel.testing import Provider, Telemetry, capture

USAGE = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}
COST = llm_otel.cost(model="gpt-4o", input_tokens=1000, output_tokens=100)


class Program:
    """A program whose spans are counted and priced; `capture()` holds the metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        active = runtime.active()
        assert active is not None
        assert active.pricing.wait(30)
        self.telemetry = telemetry
        self.exporter = InMemorySpanExporter()
        self.provider: Any = active.providers[0]
        self.provider.add_span_processor(llm_otel.SpanMetrics())
        self.provider.add_span_processor(SimpleSpanProcessor(llm_otel.priced(self.exporter)))
        self.tracer = self.provider.get_tracer("somebody")

    def span(self, attributes: Any, name: str = "span") -> Any:
        """A span that is current."""
        return self.tracer.start_as_current_span(name, attributes=attributes)

    def counts(self) -> tuple[int, float, float]:
        """Calls, tokens, money."""
        return (
            self.telemetry.count("gen_ai.request.duration"),
            self.telemetry.value("gen_ai.tokens.consumed"),
            pytest.approx(self.telemetry.value("gen_ai.cost.usd")),
        )


@pytest.fixture
def program() -> Iterator[Program]:
    """Instrumented, so that both ways are there at once."""
    with capture(providers={"127.0.0.1": "openai"}) as telemetry:
        yield Program(telemetry)


VOCABULARIES = {
    "conventions": {**CHAT, **USAGE},
    "before v1.37": {
        "gen_ai.system": "openai",
        "llm.request.type": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.prompt_tokens": 1000,
        "gen_ai.usage.completion_tokens": 100,
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 100,
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": '{"input": 1000, "output": 100}',
    },
    "LangSmith": {
        "langsmith.span.kind": "llm",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        **USAGE,
    },
}


@pytest.mark.parametrize("attributes", VOCABULARIES.values(), ids=VOCABULARIES)
def test_a_call_in_anybodys_words(program: Program, attributes: Any) -> None:
    """Labels, tokens, cost and attribution as of a call that we see; the cost on the span."""
    assert COST is not None
    with llm_otel.attribution(tenant_id="acme", feature="chat"), program.span(attributes):
        pass
    assert program.counts() == (1, 1100, COST.total)
    (point,) = program.telemetry.points("gen_ai.request.duration")
    assert point.attributes == {
        "model": "gpt-4o",
        "provider": "openai",
        "operation": "chat",
        "tenant_id": "acme",
        "feature": "chat",
    }
    assert program.telemetry.value("gen_ai.cost.usd", token_type="input") == COST.input
    (span,) = program.exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["gen_ai.usage.cost.amount"] == COST.total
    assert span.attributes["tenant_id"] == "acme"
    (exemplar,) = program.telemetry.exemplars("gen_ai.request.duration")
    assert exemplar.span_id == format(span.context.span_id, "016x")


def test_what_is_no_call(program: Program) -> None:
    """Agents with sums of tokens, tools, HTTP requests, nothing."""
    for attributes in (
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o", **USAGE},
        {"gen_ai.operation.name": "execute_tool"},
        {"http.request.method": "POST"},
        {},
    ):
        with program.span(attributes):
            pass
    assert program.telemetry.points("gen_ai.request.duration") == []


def test_nested_spans_are_one_call(program: Program) -> None:
    """A framework's, an HTTP client's between, an instrumentation's: the innermost counts."""
    assert COST is not None
    with (
        program.span({**CHAT, **USAGE}),
        program.span({"http.request.method": "POST"}),
        program.span({**CHAT, **USAGE}),
    ):
        pass
    assert program.counts() == (1, 1100, COST.total)


def test_the_outer_span_gives_the_usage_that_it_alone_knows(program: Program) -> None:
    """A stream whose instrumentation saw no tokens, in a framework that did."""
    assert COST is not None
    with program.span({**CHAT, **USAGE}), program.span(CHAT):
        pass
    assert program.counts() == (1, 1100, COST.total)


def test_several_calls_in_one_span(program: Program) -> None:
    """Embeddings inside a chat are a call of their own; two chats inside a chat are two."""
    embeddings = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "text-embedding-3-small",
        "gen_ai.usage.input_tokens": 5,
    }
    with program.span({**CHAT, **USAGE}), program.span(embeddings):
        pass
    with program.span({**CHAT, "gen_ai.usage.input_tokens": 2000}):
        for _ in range(2):
            with program.span({**CHAT, **USAGE}):
                pass
    assert program.telemetry.count("gen_ai.request.duration", operation="chat") == 3
    assert program.telemetry.count("gen_ai.request.duration", operation="embeddings") == 1
    assert program.telemetry.value("gen_ai.tokens.consumed") == 3 * 1100 + 5


def test_our_own_calls_are_counted_by_our_hooks_alone(program: Program, p: Provider) -> None:
    """Under nothing, under a framework's span of the request, and under an agent's."""
    client = openai.OpenAI(base_url=p.url, api_key="test")
    messages: Any = [{"role": "user", "content": "Hi"}]
    for attributes in ({}, CHAT, {"gen_ai.operation.name": "invoke_agent"}):
        with program.span(attributes):
            client.chat.completions.create(model="gpt-4o", messages=messages)
    bill = p.bill["gpt-4o"]
    assert program.telemetry.count("gen_ai.request.duration") == 3
    assert (
        program.telemetry.value("gen_ai.tokens.consumed") == bill.input_tokens + bill.output_tokens
    )


def test_a_failed_call(program: Program) -> None:
    """By the type of its exception, without a usage and no usage that is unknown."""
    with pytest.raises(TimeoutError), program.span(CHAT):
        raise TimeoutError
    assert program.telemetry.value("gen_ai.errors", error_type="timeout") == 1
    assert program.telemetry.points("llm_otel.usage.unknown") == []


def test_a_usage_or_a_price_that_nobody_knows(program: Program) -> None:
    """Unknown is counted as unknown, never as 0."""
    with program.span(CHAT):
        pass
    with program.span({**CHAT, "gen_ai.request.model": "nobody-knows", **USAGE}):
        pass
    assert program.telemetry.value("llm_otel.usage.unknown") == 1
    assert program.telemetry.value("gen_ai.requests.unpriced") == 1
    span = program.exporter.get_finished_spans()[-1]
    assert span.attributes is not None
    assert span.attributes["llm_otel.cost.status"] == "unpriced"


def test_labels_of_a_wrong_form(program: Program) -> None:
    """What a span says for whom it was made may hold anything."""
    with program.span({**CHAT, **USAGE, "tenant_id": "a b\nc"}):
        pass
    assert program.telemetry.count("gen_ai.request.duration", tenant_id="other") == 1


def test_attribution_by_the_parent(program: Program) -> None:
    """A library that passes a parent on without its context, in a thread without one."""
    with llm_otel.attribution(tenant_id="acme"), program.span({}) as outer:
        pass_on = trace.set_span_in_context(
            trace.NonRecordingSpan(outer.get_span_context()), Context()
        )
        carried = trace.set_span_in_context(outer, Context())
    del carried
    with program.span({}) as open_parent:
        open_parent.set_attribute("tenant_id", "globex")
        direct = trace.set_span_in_context(open_parent, Context())
        program.tracer.start_span("by span", direct, attributes={**CHAT, **USAGE}).end()
    program.tracer.start_span("late", pass_on, attributes={**CHAT, **USAGE}).end()
    assert program.telemetry.count("gen_ai.request.duration", tenant_id="globex") == 1
    assert program.telemetry.count("gen_ai.request.duration", tenant_id="none") == 1


def test_without_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    """On providers of one's own, by the list prices; a status of ERROR alone is an error."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(llm_otel.SpanMetrics(meter_provider=meters))
    span = provider.get_tracer("own").start_span("chat", attributes={**CHAT, **USAGE})
    span.set_status(StatusCode.ERROR)
    span.end()
    data = reader.get_metrics_data()
    assert data is not None
    values = {
        metric.name: [getattr(point, "value", None) for point in metric.data.data_points]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert values["gen_ai.errors"] == [1]
    assert COST is not None
    assert sum(v or 0 for v in values["gen_ai.cost.usd"]) == pytest.approx(COST.total)


def test_spans_that_nobody_ends_do_not_fill_the_memory() -> None:
    """Only so many are remembered, and none for long."""
    processor = llm_otel.SpanMetrics()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("leaky")
    for _ in range(12_000):
        tracer.start_span("never ended", Context())
    assert len(processor._open) <= 10_001
    hour = 3_600 * 10**9
    for number in range(1_100):
        tracer.start_span("later", Context(), start_time=(2**62) + hour + number)
    assert len(processor._open) <= 1_100
