"""Spans of every instrumentation become the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lake import samples

import llm_otel
import llm_otel.lake
from llm_otel.lake.decode import TRACES, from_protobuf
from llm_otel.lake.ingest import Ingest

Rows = list[dict[str, Any]]
Store = Callable[..., tuple[Rows, Rows]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Put spans through the whole way into a lake; gives their rows in calls and in spans."""
    path = tmp_path_factory.mktemp("lake")
    with Ingest(path) as ingest:
        lake = llm_otel.lake.open(path)
        seeds = iter(range(10_000))

        def stored(*attributes: dict[str, Any], **fields: Any) -> tuple[Rows, Rows]:
            request = samples.spans(*attributes, seed=next(seeds), **fields)
            trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
            ingest.accept(TRACES, request.SerializeToString()).result(10)
            ingest.flush()
            return tuple(  # type: ignore[return-value]
                lake.sql(f"SELECT * FROM {name} WHERE trace_id = ?", [trace_id])
                .to_arrow_table()
                .to_pylist()
                for name in ("calls", "spans")
            )

        yield stored


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
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-4o",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 100,
    "llm.token_count.total": 1100,
    "llm.token_count.prompt_details.cache_read": 10,
    "gen_ai.request.stream": True,
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be kind.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": "Hello",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Hi",
    "input.value": '{"messages": []}',
    "user.id": "u1",
    "session.id": "s1",
    "llm_otel.tag.team": "blue",
}


@pytest.mark.parametrize(
    "older", [OPENLLMETRY, OPENINFERENCE], ids=["openllmetry", "openinference"]
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


def test_an_unknown_model_has_no_cost(store: Store) -> None:
    """Unknown is NULL, never 0; no usage has no cost either."""
    unknown = {**OPENINFERENCE, "llm.model_name": "nobody-knows-this-one"}
    (call,), _ = store(unknown)
    assert (call["cost_usd"], call["cost_source"]) == (None, None)
    (call,), _ = store({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
    assert call["cost_usd"] is None


@pytest.mark.parametrize(
    ("attributes", "amount", "status"),
    [
        ({}, 0.0035, None),
        ({"llm_otel.cost.status": "incomplete"}, 0.0035, "incomplete"),
        ({"llm_otel.usage.source": "estimated"}, 0.0035, "estimated"),
        ({"gen_ai.usage.cost.currency": "EUR"}, None, "unpriced"),
        ({"gen_ai.usage.cost.amount": None, "gen_ai.response.model": "nobody-knows",
          "llm_otel.cost.status": "unpriced"}, None, "unpriced"),
        ({"gen_ai.usage.cost.amount": None, "llm_otel.cost.status": "unpriced"}, 0.0035, None),
        ({"gen_ai.usage.cost.amount": None, "gen_ai.usage.input_tokens": None,
          "gen_ai.usage.output_tokens": None, "llm_otel.usage.source": "unknown"},
         None, "unknown"),
        ({"gen_ai.usage.cost.amount": None, "gen_ai.usage.input_tokens": None,
          "gen_ai.usage.output_tokens": None}, None, None),
    ],
)  # fmt: skip
def test_a_cost_says_whether_it_is_whole(
    store: Store, attributes: dict[str, Any], amount: float | None, status: str | None
) -> None:
    """What the sender says of its amount; of ours, whether all of the usage has a price."""
    given = {**samples.CHAT, **attributes}
    (call,), _ = store({name: value for name, value in given.items() if value is not None})
    assert (call["cost_usd"], call["cost_status"]) == (
        amount if amount is None else pytest.approx(amount), status,
    )  # fmt: skip


UNPRICED = {name: value for name, value in samples.CHAT.items() if "cost" not in name}
CLAUDE = {
    **UNPRICED,
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5-20250929",
    "gen_ai.response.model": "claude-sonnet-4-5-20250929",
}
READ, WRITTEN = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"
RAW_READ = "gen_ai.usage.cache_read_input_tokens"
RAW_WRITTEN = "gen_ai.usage.cache_creation_input_tokens"


@pytest.mark.parametrize(
    ("usage", "inputs"),
    [
        # What was read from the cache is more than the input.
        ({READ: 2000}, 3000),
        ({READ: 600, WRITTEN: 700}, 2300),
        # The total says it.
        ({READ: 300, "gen_ai.usage.total_tokens": 1400}, 1300),
        ({READ: 300, WRITTEN: 50, "gen_ai.usage.total_tokens": "1450"}, 1350),
        ({RAW_READ: 300, "llm.usage.total_tokens": 1400}, 1300),
        ({READ: 300, "gen_ai.usage.total_tokens": 1100}, 1000),
        ({RAW_READ: 300, "gen_ai.usage.total_tokens": 1100}, 1000),
        # Nothing says it: Anthropic's own names come with its own way of counting.
        ({RAW_READ: 300}, 1300),
        ({RAW_READ: 300, RAW_WRITTEN: 20}, 1320),
        ({READ: 300}, 1000),
        ({RAW_READ: 300, "gen_ai.provider.name": "openai"}, 1000),
        ({RAW_READ: 300, "gen_ai.provider.name": "aws.bedrock"}, 1300),
    ],
)
def test_the_input_includes_cached_tokens(store: Store, usage: dict[str, Any], inputs: int) -> None:
    """Whichever way the sender counts them: by its total, by the amounts, or by the provider."""
    (call,), _ = store({**CLAUDE, **usage})
    assert call["input_tokens"] == inputs
    read, written = call["cache_read_tokens"], call["cache_write_tokens"] or 0
    fresh = inputs - read - written
    price = (fresh * 3.0 + read * 0.3 + written * 3.75 + 100 * 15) / 1e6
    if call["provider"] == "anthropic":
        assert call["cost_usd"] == pytest.approx(price)


@pytest.mark.parametrize("tokens", ["1000", "1000.0", 1000.0, " 1000 "])
def test_a_count_is_read_alike_for_column_and_price(store: Store, tokens: Any) -> None:
    """Senders write numbers as texts and doubles."""
    (call,), _ = store({**UNPRICED, "gen_ai.usage.input_tokens": tokens})
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 100)
    assert call["cost_usd"] == pytest.approx(0.0035)


@pytest.mark.parametrize(
    ("usage", "operation", "cost"),
    [
        ({"gen_ai.usage.output_tokens": 100}, "chat", None),
        ({"gen_ai.usage.input_tokens": 100}, "chat", None),
        ({"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 0}, "chat", 0.0025),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": 100}, "chat", None),
        ({"gen_ai.usage.input_tokens": 1000}, "embeddings", 0.0025),
    ],
)
def test_a_part_of_the_usage_has_no_cost(
    store: Store, usage: dict[str, Any], operation: str, cost: float | None
) -> None:
    """Unknown, and marked as that: the price of a part is not the price."""
    given = {name: value for name, value in UNPRICED.items() if "usage" not in name}
    (call,), _ = store({**given, **usage, "gen_ai.operation.name": operation})
    expected = (None, "unknown") if cost is None else (pytest.approx(cost), None)
    assert (call["cost_usd"], call["cost_status"]) == expected


@pytest.mark.parametrize(
    ("name", "column", "value", "kept"),
    [
        ("gen_ai.usage.input_tokens", "input_tokens", 2**63 - 1, 2**63 - 1),
        ("gen_ai.usage.input_tokens", "input_tokens", -1, -1),
        ("gen_ai.usage.output_tokens", "output_tokens", float("nan"), "NaN"),
        ("gen_ai.usage.output_tokens", "output_tokens", "1e300", "1e300"),
        ("gen_ai.usage.cost.amount", "cost_usd", float("-inf"), "-Infinity"),
        ("gen_ai.usage.cost.amount", "cost_usd", -1.0, -1.0),
        ("gen_ai.usage.cost.amount", "cost_usd", 1e18, 1e18),
        ("gen_ai.response.time_to_first_chunk", "first_chunk_s", float("inf"), "Infinity"),
        ("http.response.status_code", "status_code", 2**40, 2**40),
    ],
)
def test_what_cannot_be_right_is_no_number(
    store: Store, caplog: pytest.LogCaptureFixture, name: str, column: str, value: Any, kept: Any
) -> None:
    """The column is NULL, the attributes keep it, sums stay finite, and neighbours are stored."""
    wrong = {**samples.CHAT, "gen_ai.response.model": "nobody-knows-this-one", name: value}
    calls, spans = store(wrong, samples.CHAT)
    expected = {
        "input_tokens": 1000, "output_tokens": 100, "cost_usd": 0.0035, "first_chunk_s": None,
        "status_code": None,
    }[column]  # fmt: skip
    assert sorted([call[column] for call in calls], key=str) == sorted([None, expected], key=str)
    assert kept in [json.loads(span["attributes"]).get(name) for span in spans]


@pytest.mark.parametrize("named", ["today's names", "older names"])
@pytest.mark.parametrize(
    "end",
    [0, samples.NOW - 1, samples.NOW + 400 * 86400 * 10**9, 2**64 - 1],
    ids=("none", "before its start", "after 400 days", "beyond 64 bits"),
)
def test_a_duration_that_cannot_be_right_is_unknown(store: Store, end: int, named: str) -> None:
    """An end before the start, or more than a year after it, by both ways of decoding."""
    attributes = samples.CHAT if named == "today's names" else OPENINFERENCE
    (call,), (span,) = store(attributes, end_time_unix_nano=end)
    assert (call["duration_s"], span["duration_s"]) == (None, None)


def test_refused_values_are_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each kind, with the attribute and its value; the figure goes on."""
    wrong = {**samples.CHAT, "gen_ai.usage.input_tokens": -7}
    cost = {**samples.CHAT, "gen_ai.usage.cost.amount": float("inf")}
    with Ingest(tmp_path) as ingest:
        for seed in (1, 2):
            body = samples.spans(wrong, wrong, cost, seed=seed).SerializeToString()
            ingest.accept(TRACES, body).result(10)
            ingest.flush()
        assert ingest.refusals.counts() == {"token count": 4, "cost": 2}
    lines = [record.getMessage() for record in caplog.records]
    assert ["gen_ai.usage.input_tokens is -7" in line for line in lines].count(True) == 1
    assert len(lines) == 2


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
    from llm_otel.lake.decode.spans import Spans

    found = Spans()
    found.add(from_protobuf(TRACES, request.SerializeToString()))
    assert [row[2] for row in found.spans] == [group[3].span_id.hex()]


def test_events_and_links_are_kept(store: Store) -> None:
    """As JSON, with the times and ids that the page shows."""
    event = {"name": "exception", "time_unix_nano": samples.NOW}
    link = {"trace_id": b"l" * 16, "span_id": b"m" * 8}
    _, (span,) = store({}, events=[event], links=[link])
    (said,) = json.loads(span["events"])
    assert (said["name"], said["time"]) == ("exception", samples.NOW // 1000)
    assert json.loads(span["links"])[0]["trace_id"] == (b"l" * 16).hex()
