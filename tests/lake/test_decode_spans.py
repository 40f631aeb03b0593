"""Spans of every instrumentation become the same rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lake import samples
from lake.samples import Store

import llm_otel
import llm_otel.lake
from llm_otel.lake.decode import traces


def test_our_own_names(store: Store) -> None:
    """Every column of a call that our spans tell."""
    more = {
        "user.hash": "f" * 64,
        "session.id": "s1",
        "gen_ai.conversation.id": "c1",
        "llm_otel.tag.team": "blue",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.2,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "openai.response.service_tier": "flex",
        "http.request.resend_count": 2,
        "gen_ai.prompt.name": "greeting",
        "gen_ai.prompt.version": "3",
    }
    (call,), (span,) = store({**samples.CHAT, **more}, seconds=1.5)
    expected = {
        "service_name": "assistant", "environment": "test", "name": "chat gpt-4o",
        "operation": "chat", "provider": "openai", "model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06", "response_id": "chatcmpl-1",
        "tenant_id": "acme", "feature": "support", "user": "f" * 64, "session_id": "s1",
        "conversation_id": "c1", "tags": [("team", "blue")], "status": "ok", "error_type": None,
        "finish_reasons": ["stop"], "duration_s": 1.5, "first_chunk_s": 0.2,
        "input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 10,
        "cache_write_tokens": 5, "reasoning_tokens": 7, "cost_usd": 0.0035,
        "cost_source": "local", "streaming": True, "service_tier": "flex", "retries": 2,
        "prompt_name": "greeting", "prompt_version": "3", "prefix_hash": None,
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    assert span["kind"] == "client"
    assert span["scope"] == "tests"
    assert json.loads(span["resource"]) == samples.RESOURCE
    assert json.loads(span["attributes"])["gen_ai.response.finish_reasons"] == ["stop"]


def test_a_call_knows_its_release_and_its_agent(store: Store) -> None:
    """The version of its service, and the agent that its own span names; else neither."""
    resource = {**samples.RESOURCE, "service.version": "1.7.0"}
    (call,), _ = store({**samples.CHAT, "gen_ai.agent.name": "planner"}, resource=resource)
    assert (call["release"], call["agent"]) == ("1.7.0", "planner")
    (call,), _ = store(dict(samples.CHAT))
    assert (call["release"], call["agent"]) == (None, None)


OPENLLMETRY = {
    "gen_ai.system": "OpenAI",
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.prompt_tokens": 1000,
    "gen_ai.usage.completion_tokens": 100,
    "llm.usage.total_tokens": 1100,
    "gen_ai.usage.cache_read_input_tokens": 10,
    "llm.is_streaming": True,
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be kind.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Hello",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Hi",
    "gen_ai.completion.0.finish_reason": "stop",
    "traceloop.association.properties.user_id": "u1",
    "traceloop.association.properties.session_id": "s1",
    "traceloop.association.properties.team": "blue",
}


@pytest.mark.parametrize(
    "older", [OPENLLMETRY, samples.OPENINFERENCE], ids=["openllmetry", "openinference"]
)
def test_older_names_give_the_same_row(store: Store, older: dict[str, Any]) -> None:
    """Model, tokens, user, tags and messages are where ours would be, and the cost is computed."""
    (call,), (span,) = store(older)
    expected = {
        "operation": "chat", "provider": "openai", "model": "gpt-4o", "input_tokens": 1000,
        "output_tokens": 100, "cache_read_tokens": 10, "streaming": True, "user": "u1",
        "session_id": "s1", "tags": [("team", "blue")], "cost_source": "local",
    }  # fmt: skip
    assert {name: call[name] for name in expected} == expected
    cost = llm_otel.cost(model="gpt-4o", input_tokens=1000, output_tokens=100, cache_read_tokens=10)
    assert cost is not None
    assert call["cost_usd"] == pytest.approx(cost.total)
    messages = json.loads(span["input_messages"])
    assert [(m["role"], m["parts"][0]["content"]) for m in messages] == [
        ("system", "Be kind."),
        ("user", "Hello"),
    ]
    assert json.loads(span["output_messages"])[0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert "Hello" not in span["attributes"]


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "invoke_agent"),
        ({"gen_ai.operation.name": "execute_tool"}, "execute_tool"),
        ({"traceloop.span.kind": "workflow"}, "invoke_workflow"),
        ({"traceloop.span.kind": "tool"}, "execute_tool"),
        ({"openinference.span.kind": "AGENT", "llm.model_name": "m"}, "invoke_agent"),
        ({"openinference.span.kind": "RETRIEVER"}, "retrieval"),
        ({"http.request.method": "GET"}, None),
    ],
)
def test_only_calls_to_providers_are_calls(
    store: Store, attributes: dict[str, Any], operation: str | None
) -> None:
    """Agents, tools, workflows, stores and other spans are in `spans` alone."""
    calls, spans = store(attributes)
    assert calls == []
    assert [span["operation"] for span in spans] == [operation]


@pytest.mark.parametrize(
    ("attributes", "status", "error_type"),
    [
        ({"error.type": "a.B", "llm_otel.error.class": "rate_limit"}, "error", "rate_limit"),
        ({"error.type": "429"}, "error", "rate_limit"),
        ({"error.type": "openai.APITimeoutError"}, "error", "timeout"),
        ({"error.type": "anthropic.OverloadedError"}, "error", "server"),
        ({"error.type": "_OTHER", "http.response.status_code": 503}, "error", "server"),
        ({"error.type": "_OTHER", "http.response.status_code": 402}, "error", "insufficient_funds"),
        ({"error.type": "insufficient_balance"}, "error", "insufficient_funds"),
        ({"error.type": "402"}, "error", "insufficient_funds"),
        ({"error.type": "498"}, "error", "server"),
        ({"error.type": "capacity_exceeded"}, "error", "server"),
        ({"error.type": "asyncio.CancelledError"}, "cancelled", "cancelled"),
        ({"error.type": "something"}, "error", "other"),
        ({"gen_ai.response.finish_reasons": ["cancelled"]}, "cancelled", None),
        ({}, "ok", None),
    ],
)  # fmt: skip
def test_how_a_call_ended(
    store: Store, attributes: dict[str, Any], status: str, error_type: str | None
) -> None:
    """The class of the error, from what the sender says or from its `error.type`."""
    (call,), (span,) = store({**samples.CHAT, **attributes})
    assert (call["status"], call["error_type"]) == (status, error_type)
    assert (span["status"], span["error_type"]) == (status, error_type)


def test_values_of_a_wrong_type_do_no_harm(store: Store) -> None:
    """A count given as text is read; what cannot be is NULL; the other rows stay as they are."""
    wrong = {**samples.CHAT, "gen_ai.usage.input_tokens": "12", "tenant_id": 7}
    worse = {
        **samples.CHAT,
        "gen_ai.usage.input_tokens": "many",
        "gen_ai.response.finish_reasons": 3,
    }
    calls, spans = store(wrong, worse, samples.CHAT)
    assert len(spans) == 3
    assert sorted(call["input_tokens"] or 0 for call in calls) == [0, 12, 1000]
    assert {call["tenant_id"] for call in calls} == {"acme", "7"}


def test_prefixes_are_told_apart_by_their_start(store: Store) -> None:
    """Two long inputs that begin alike have one hash; a short one has none."""
    start = "You are the assistant of a bank. " * 60

    def call(text: str) -> dict[str, Any]:
        messages = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
        return {**samples.CHAT, "gen_ai.input.messages": json.dumps(messages)}

    calls, spans = store(call(start + "A"), call(start + "B"), call("Other" + start), call("short"))
    hashes = [call["prefix_hash"] for call in calls]
    assert len(set(hashes)) == 3
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3] is None
    assert all(span["input_messages"] for span in spans)


def test_spans_without_ids_are_left_out(store: Store) -> None:
    """Zero ids and no start are no span."""
    request = samples.spans(*[samples.CHAT] * 4, seed=77)
    group = request.resource_spans[0].scope_spans[0].spans
    group[0].span_id = b"\0" * 8
    group[1].trace_id = b"short"
    group[2].start_time_unix_nano = 0
    spans, _, _ = traces.decode([request.SerializeToString()], pytest.fail)
    assert spans["span_id"].to_pylist() == [group[3].span_id.hex()]


def test_events_and_links_are_kept(store: Store) -> None:
    """As JSON, with the times and ids that the page shows."""
    event = {"name": "exception", "time_unix_nano": samples.NOW}
    link = {"trace_id": b"l" * 16, "span_id": b"m" * 8}
    _, (span,) = store({}, events=[event], links=[link])
    (said,) = json.loads(span["events"])
    assert (said["name"], said["time"]) == ("exception", samples.NOW // 1000)
    assert json.loads(span["links"])[0]["trace_id"] == (b"l" * 16).hex()
