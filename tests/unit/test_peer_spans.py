"""A request for which somebody else has a span open: theirs is written on, none of ours is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

import llm_otel
from llm_otel import semconv
from llm_otel.core import peer_spans, runtime
from llm_otel.foreign.open_spans import request_of
from llm_otel.testing import Provider, Telemetry, capture

QUESTION: Any = [{"role": "user", "content": "Hi"}]
CHAT = {"gen_ai.operation.name": "chat"}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """What instrumented code emits; the local provider priced as OpenAI."""
    peer_spans.say.cache_clear()
    with capture(providers={"127.0.0.1": "openai"}, stream_usage="always") as got:
        active = runtime.active()
        assert active is not None
        assert active.pricing.wait(30)
        yield got


@contextmanager
def framework(attributes: Any = CHAT, name: str = "ask", scope: str = "framework") -> Iterator[Any]:
    """A span of a framework's on the provider that is instrumented."""
    active = runtime.active()
    assert active is not None
    provider: Any = active.providers[0]
    with provider.get_tracer(scope).start_as_current_span(name, attributes=attributes) as span:
        yield span


def ask(p: Provider, **options: Any) -> Any:
    client = openai.OpenAI(base_url=p.url, api_key="test", max_retries=0)
    with client:
        answer: Any = client.chat.completions.create(model="gpt-4o", messages=QUESTION, **options)
        return list(answer) if options.get("stream") else answer


@pytest.mark.parametrize(
    "attributes",
    [
        CHAT,
        {"gen_ai.operation.name": "text_completion"},
        {"openinference.span.kind": "LLM"},
        {"llm.request.type": "chat"},
        {"langfuse.observation.type": "generation"},
        {"mlflow.spanType": '"CHAT_MODEL"'},
        {"gen_ai.operation.name": "chat.completions"},
    ],
    ids=str,
)
def test_their_span_is_the_calls(p: Provider, telemetry: Telemetry, attributes: Any) -> None:
    """By the conventions' name or an older one, of a span of kind INTERNAL: one span, with
    attribution, usage and cost, and each number once in the product's metrics."""
    with llm_otel.attribution(tenant_id="acme", feature="chat"), framework(attributes):
        usage = ask(p).usage
    span = telemetry.span
    assert span.name == "ask"
    expected = {
        "tenant_id": "acme",
        "feature": "chat",
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cost.amount": telemetry.value("gen_ai.cost.usd"),
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "local",
        "llm_otel.usage.source": "provider",
        "llm_otel.counted": True,
        **attributes,
    }
    assert expected.items() <= span.attributes.items(), span.attributes
    assert span.attributes["gen_ai.usage.cost.amount"] > 0
    assert telemetry.count("gen_ai.request.duration", tenant_id="acme") == 1
    assert telemetry.value("gen_ai.tokens.consumed") == usage.total_tokens
    assert telemetry.points("gen_ai.client.token.usage") == []
    (exemplar,) = telemetry.exemplars("gen_ai.request.duration")
    assert exemplar.span_id == span.span_id


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "CHAIN"},
        {"gen_ai.operation.name": "embeddings"},
        {"http.request.method": "POST", "url.path": "/ask"},
    ],
    ids=str,
)
def test_other_spans_are_only_parents(p: Provider, telemetry: Telemetry, attributes: Any) -> None:
    """An agent's, a chain's, a server's, or one for another kind of request."""
    with framework(attributes):
        ask(p)
    inner, outer = sorted(telemetry.spans, key=lambda span: span.name != "chat gpt-4o")
    assert inner.parent_id == outer.span_id
    assert outer.attributes == attributes
    assert telemetry.count("gen_ai.client.token.usage") == 2


def test_a_stream_gives_what_the_maker_cannot_see(p: Provider, telemetry: Telemetry) -> None:
    """The chunk with the usage that we asked for is hidden from the program and from the maker of
    the span: the tokens come from us, in OpenInference's words too."""
    with framework({"openinference.span.kind": "LLM"}):
        chunks = ask(p, stream=True)
    assert all(chunk.usage is None for chunk in chunks)
    attributes = telemetry.span.attributes
    billed = p.bill["gpt-4o"]
    assert attributes["gen_ai.usage.output_tokens"] == billed.output_tokens > 0
    assert attributes["llm.token_count.completion"] == billed.output_tokens
    assert attributes["llm.token_count.prompt"] == billed.input_tokens


def test_what_the_maker_wrote_stays(p: Provider, telemetry: Telemetry) -> None:
    """Its tokens, its cost, its tenant; the metrics have ours."""
    own = {
        **CHAT,
        "tenant_id": "own",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.cost.amount": 0.5,
    }
    with llm_otel.attribution(tenant_id="acme"), framework(own):
        ask(p)
    attributes = telemetry.span.attributes
    assert own.items() <= attributes.items()
    assert "gen_ai.usage.output_tokens" not in attributes
    assert telemetry.value("gen_ai.tokens.consumed", tenant_id="acme") > 7


def test_several_requests_under_one_span_add_up(p: Provider, telemetry: Telemetry) -> None:
    """A framework that tries again, or asks several: sums of tokens and money, one count each."""
    with framework():
        totals = [ask(p).usage.total_tokens for _ in range(3)]
    attributes = telemetry.span.attributes
    counted = attributes["gen_ai.usage.input_tokens"] + attributes["gen_ai.usage.output_tokens"]
    assert counted == sum(totals)
    assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(
        telemetry.value("gen_ai.cost.usd")
    )
    assert telemetry.count("gen_ai.request.duration") == 3


def test_a_sum_with_an_unknown_part_is_incomplete(p: Provider, telemetry: Telemetry) -> None:
    """A known cost and one that nobody knows: the amount is what is known, and says so."""
    client = openai.OpenAI(base_url=p.url, api_key="test")
    with framework():
        for model in ("gpt-4o", "nobody-knows-this", "gpt-4o"):
            client.chat.completions.create(model=model, messages=QUESTION)
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.cost.status"] == "incomplete"
    assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(
        telemetry.value("gen_ai.cost.usd")
    )


def test_a_failed_call_leaves_its_class(p: Provider, telemetry: Telemetry) -> None:
    """The class that the metrics use, on a span that its maker lets fail."""
    p.enqueue("rate_limit")
    with framework(), pytest.raises(openai.RateLimitError):
        ask(p)
    assert telemetry.span.attributes["llm_otel.error.class"] == "rate_limit"
    assert telemetry.value("gen_ai.errors", error_type="rate_limit") == 1


def test_a_span_that_goes_elsewhere_is_not_the_calls(p: Provider, telemetry: Telemetry) -> None:
    """A tool with a tracer provider and a store of its own: our backend needs a span of ours."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("apart")
    with tracer.start_as_current_span("chat", attributes=CHAT) as span:
        ask(p)
    assert telemetry.span.name == "chat gpt-4o"
    assert dict(span.attributes or {}) == CHAT  # type: ignore[attr-defined]


def test_a_span_that_ends_before_the_call_is_left_alone(p: Provider, telemetry: Telemetry) -> None:
    """A stream that is read when its maker's span has ended: nothing is lost in the metrics."""
    client = openai.OpenAI(base_url=p.url, api_key="test")
    with framework():
        stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    list(stream)
    assert telemetry.span.attributes == {**CHAT, "llm_otel.counted": True}
    assert telemetry.value("gen_ai.tokens.consumed") > 0


def test_each_maker_is_named_once(
    p: Provider, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says what llm-otel does beside whom."""
    with caplog.at_level(logging.WARNING, "llm_otel"):
        for scope in ("framework", "framework", "other"):
            with framework(scope=scope):
                ask(p)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in lines] == ["framework", "other"], lines


def test_suppression_by_the_application_wins(p: Provider, telemetry: Telemetry) -> None:
    """Whatever spans are open, a program that asks for no instrumentation gets none."""
    with framework(), suppress_instrumentation():
        ask(p)
    assert telemetry.span.attributes == CHAT
    assert telemetry.points("gen_ai.request.duration") == []


# ------------------------------------------------------------------ steps
def test_a_callback_cannot_turn_a_step_into_a_call(telemetry: Telemetry) -> None:
    """What a stranger writes onto the current span does not make it a request."""
    with llm_otel.workflow("answer"):
        stranger = trace.get_current_span()
        stranger.set_attribute("gen_ai.operation.name", "chat")
        stranger.set_attribute("openinference.span.kind", "LLM")
        stranger.set_attribute("gen_ai.request.model", "gpt-4o")
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert request_of(attributes, telemetry.span.name) is None
    assert semconv.CHAT not in attributes.values()


def test_the_kind_of_a_step_for_another_tool_stays(telemetry: Telemetry) -> None:
    """A program that shows its agents in Phoenix as well may say so."""
    with llm_otel.agent("guide"):
        trace.get_current_span().set_attribute("openinference.span.kind", "AGENT")
    assert telemetry.span.attributes["openinference.span.kind"] == "AGENT"
