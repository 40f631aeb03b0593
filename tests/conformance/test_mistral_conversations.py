"""Mistral's conversations, and the SDK's own spans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clients.mistralai import MODEL, QUESTION, make
from mistralai.extra.observability.telemetry import configure_telemetry

from llm_otel.testing import Telemetry
from tests.conformance.mistral import (
    CALLED,
    RAN,
    SAID,
    counted,
    events,
    talk,
)


@pytest.fixture
def client(p):
    with make(p, False) as made:
        yield made.client


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_a_conversation(instrumented, client, p, how):
    """What connectors read is input beside the prompt; what they cost themselves is not known."""
    telemetry = instrumented()
    talk(client, p, how, RAN, SAID)
    attributes = telemetry.span.attributes
    shown = {name: attributes.get(name) for name in (
        "gen_ai.operation.name", "gen_ai.conversation.id", "gen_ai.agent.id", "gen_ai.response.id",
        "gen_ai.response.model", "gen_ai.response.finish_reasons")}  # fmt: skip
    assert shown == {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "conv_1",
        "gen_ai.agent.id": "ag_2",
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.model": "mistral-medium-2505",
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert counted(telemetry) == {
        "input": 190,
        "output": 209,
        "cached": 0,
        "cost": round(190 * 0.4 + 209 * 2, 3),
        "status": "incomplete",
    }


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_a_call_of_a_function_ends_a_turn(instrumented, client, p, how):
    """As in a chat, whose finish reason says so."""
    telemetry = instrumented()
    talk(client, p, how, CALLED)
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)


def test_the_turns_of_a_conversation(instrumented, client, p):
    """Started, gone on with, restarted: three calls; its history is none."""
    telemetry = instrumented()
    talks = client.beta.conversations
    begun = talks.start(model=MODEL, inputs="Hi")
    talks.append(conversation_id=begun.conversation_id, inputs="And now?")
    with talks.restart_stream(
        conversation_id=begun.conversation_id, from_entry_id="x", inputs="No"
    ) as chunks:
        list(chunks)
    bill = p.bill
    assert [span.attributes["gen_ai.operation.name"] for span in telemetry.spans] == ["chat"] * 3
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == sum(
        each.input_tokens for each in bill.values()
    )
    assert telemetry.value("llm_otel.usage.unknown") == 0


def test_a_conversation_that_fails_midway(instrumented, client, p):
    """The stream's last word is an error."""
    telemetry = instrumented()
    p.enqueue(
        events(
            {"type": "conversation.response.started", "conversation_id": "conv_1"},
            {"type": "conversation.response.error", "message": "no", "code": 429},
        )
    )
    with client.beta.conversations.start_stream(inputs="Hi", model=MODEL) as chunks:
        list(chunks)
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == "rate_limit"
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)


# ------------------------------------------------------------------ the SDK's own spans
@pytest.mark.parametrize("how", ["whole", "stream", "async", "conversation", "refused"])
def test_the_sdks_own_spans(instrumented, p, how):
    """They stand below ours, whole as without us; our metrics count the call once."""
    plain = asyncio.run(traced(p, how, None))
    p.reset()
    telemetry = instrumented()
    ours = asyncio.run(traced(p, how, telemetry))
    assert plain == ours
    assert telemetry.count("gen_ai.request.duration") == 1
    assert telemetry.spans[0].name.startswith("chat")
    assert all("traceparent" in request.headers for request in p.requests)


async def traced(p: Any, how: str, telemetry: Telemetry | None) -> list[Any]:
    """Names and attributes of the spans that the SDK makes."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    own = TracerProvider()
    own.add_span_processor(SimpleSpanProcessor(memory))
    asynchronous = how == "async"
    made = make(p, asynchronous)
    configure_telemetry(made.client, provider=own, redaction=False)
    if asynchronous:
        async with made:
            await made.call("chat.complete", **QUESTION)
    else:
        with made:
            if how == "whole":
                made.client.chat.complete(**QUESTION)
            elif how == "conversation":
                made.client.beta.conversations.start(model=MODEL, inputs="Hi")
            elif how == "refused":
                p.enqueue("rate_limit")
                with pytest.raises(Exception, match="429"):
                    made.client.chat.complete(**QUESTION)
            else:
                with made.client.chat.stream(**QUESTION) as chunks:
                    list(chunks)
    spans = memory.get_finished_spans()
    if telemetry is not None:
        inner = {span.context.span_id for span in spans}
        outer = {span.parent.span_id for span in spans if span.parent} - inner
        assert outer == {int(telemetry.spans[0].span_id, 16)}
    return [(span.name, span.status.status_code, dict(span.attributes)) for span in spans]
