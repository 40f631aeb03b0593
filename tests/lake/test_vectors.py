"""The quick way to decode gives what the other one gives, whatever the spans hold."""

from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from lake import samples

from llm_otel.lake import schema
from llm_otel.lake.decode import TRACES, from_protobuf, traces, vectors
from llm_otel.lake.decode.columns import columns
from llm_otel.lake.decode.spans import Spans

EVENT = {"name": "exception", "time_unix_nano": samples.NOW}
LINK = {"trace_id": b"l" * 16, "span_id": b"m" * 8}

# Each may or may not be on a span.
EXTRAS: list[dict[str, Any]] = [
    {"user.hash": "f" * 64},
    {"user.id": "someone"},
    {"user.hash": "", "user.id": "someone else"},
    {"session.id": "s", "gen_ai.conversation.id": "c"},
    {"llm_otel.tag.team": "blue", "llm_otel.tag.stage": "beta"},
    {"llm_otel.tag.number": 3},
    {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25},
    {"gen_ai.request.stream": False},
    {"gen_ai.usage.cache_creation.input_tokens": 5},
    {"gen_ai.usage.cache_write.input_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 7},
    {"gen_ai.usage.cost.currency": "EUR"},
    {"openai.request.service_tier": "auto", "openai.response.service_tier": "flex"},
    {"openai.request.service_tier": "auto"},
    {"http.request.resend_count": 2, "http.response.status_code": 500},
    {"error.type": "openai.RateLimitError"},
    {"error.type": "_OTHER", "http.response.status_code": 503},
    {"error.type": "x", "llm_otel.error.class": "timeout"},
    {"gen_ai.response.finish_reasons": ["cancelled"]},
    {"gen_ai.response.finish_reasons": ["stop", 'with "quotes"', ""]},
    {"gen_ai.response.finish_reasons": []},
    {"gen_ai.input.messages": '[{"role": "user"}]' * 80},
    {"gen_ai.input.messages": "short", "gen_ai.system_instructions": "Be kind."},
    {"quotes": 'a "b" \\ c\n\t\x01', "unicode": "žluťoučký 🐎", "empty": ""},
    {"numbers": [1, 2.5, True, "x"], "nested": [["a"], ["b"]], "negative": -1, "large": 2**62},
    {"nan": float("nan"), "infinite": float("inf"), "small": 5e-324, "whole": 3.0},
    {"nothing": None, "gen_ai.usage.input_tokens": None, "tenant_id": None},
    {"gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "2"},
    {"llm_otel.cost.status": "incomplete", "llm_otel.usage.source": "provider"},
    {"llm_otel.cost.status": "unpriced", "gen_ai.response.model": "nobody-knows-this-one"},
    {"llm_otel.usage.source": "unknown"},
    {"llm_otel.usage.source": "estimated"},
    {"gen_ai.usage.cache_read.input_tokens": 200},
    {"gen_ai.usage.input_tokens": None, "gen_ai.usage.cost.amount": None},
]
KINDS: list[dict[str, Any]] = [
    samples.CHAT,
    {**samples.CHAT, "gen_ai.usage.total_tokens": 1100},
    {key: value for key, value in samples.CHAT.items() if "cost" not in key},
    {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"},
    {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"},
    {"http.request.method": "GET"},
    {},
]
OLDER: list[dict[str, Any]] = [
    {"gen_ai.system": "openai", "llm.request.type": "chat"},
    {"openinference.span.kind": "LLM", "llm.token_count.prompt": 3},
    {**samples.CHAT, "gen_ai.usage.input_tokens": "12"},
    {**samples.CHAT, "gen_ai.usage.cost.amount": 1},
    {**samples.CHAT, "tenant_id": 7},
    # Names of today with words of others.
    {**samples.CHAT, "gen_ai.operation.name": "chat.completions"},
    {**samples.CHAT, "gen_ai.provider.name": "openai.chat"},
    {**samples.CHAT, "gen_ai.provider.name": "langchain"},
    {**samples.CHAT, "gen_ai.workflow.name": "w"},
    {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 3},
    {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o"},
    {"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 3},
    {"mlflow.spanType": '"LLM"', "mlflow.spanOutputs": "{}"},
    {"genkit:type": "util", "genkit:output": "{}"},
    {**samples.CHAT, "gen_ai.usage.input_tokens": 2**63 - 1},
    {**samples.CHAT, "gen_ai.usage.output_tokens": -1},
    {**samples.CHAT, "gen_ai.usage.cost.amount": float("nan")},
    {**samples.CHAT, "gen_ai.usage.cost.amount": 1e300},
    {**samples.CHAT, "gen_ai.response.time_to_first_chunk": float("inf")},
    {**samples.CHAT, "http.response.status_code": 2**40},
    {**samples.CHAT, "gen_ai.usage.cache_read.input_tokens": 2000},
    {**samples.CHAT, "gen_ai.usage.cache_read.input_tokens": 200,
     "gen_ai.usage.total_tokens": 1300},
]  # fmt: skip


def bodies(seed: int, *, older: bool) -> list[bytes]:
    """Requests of a few spans each, one in three of an older kind where wanted."""
    source = random.Random(seed)
    made = []
    for number in range(25):
        many = []
        for _ in range(source.randrange(6)):
            attributes = dict(source.choice(KINDS))
            for extra in source.sample(EXTRAS, source.randrange(4)):
                attributes |= extra
            many.append(attributes)
        if older and number % 3 == 0:
            many.append(source.choice(OLDER))
        resource = source.choice([samples.RESOURCE, {}, {"service.name": "b", "x": [1]}])
        fields: dict[str, Any] = {"name": source.choice(["chat", "", "ž"])}
        fields |= source.choice([{}, {"events": [EVENT], "links": [LINK]}, {"kind": 9}])
        fields |= source.choice([{}, {"status": {"code": 2, "message": "no"}}, {"status": {}}])
        seconds = source.choice([0.0, 1.5, -1.0])
        request = samples.spans(
            *many, seed=seed * 1000 + number, seconds=seconds, resource=resource, **fields
        )
        for span in request.resource_spans[0].scope_spans[0].spans:
            if source.random() < 0.1:
                setattr(
                    span, source.choice(["trace_id", "span_id"]), source.choice([b"", b"\0" * 8])
                )
            if source.random() < 0.5:
                span.parent_span_id = source.randbytes(8)
        made.append(request.SerializeToString())
    return made


def slowly(requests: list[bytes]) -> tuple[pa.Table, pa.Table, list[int]]:
    """One span at a time."""
    found = Spans()
    for body in requests:
        found.add(from_protobuf(TRACES, body))
    spans = columns(found.spans, schema.SPANS.schema)
    return spans, columns(found.calls, schema.CALLS.schema), found.of_call


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows by their ids, JSON parsed: how a number is written does not matter."""
    parsed = ("attributes", "events", "links", "resource")
    found = [
        {k: json.loads(v) if k in parsed and v is not None else v for k, v in row.items()}
        for row in table.to_pylist()
    ]
    return sorted(found, key=lambda row: (row["trace_id"], row["span_id"]))


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_give_the_same_tables(seed: int) -> None:
    """Row by row and value by value, and no request of these is left to the slow one."""
    requests = bodies(seed, older=False)
    spans, calls, of_call = slowly(requests)
    quick = vectors.decode(requests)
    assert quick.left == []
    assert rows(quick.spans) == rows(spans)
    assert rows(quick.calls) == rows(calls)
    assert quick.of_call.tolist() == of_call


@pytest.mark.parametrize("seed", range(4))
def test_requests_with_older_names_are_mixed_in(seed: int) -> None:
    """What is left to the slow way comes after the others, with its calls."""
    requests = bodies(seed, older=True)
    assert len(vectors.decode(requests).left) <= 9
    spans, calls, of_call = traces.decode(requests, pytest.fail)
    expected = slowly(requests)
    assert rows(spans) == rows(expected[0])
    assert rows(calls) == rows(expected[1])
    span_ids = spans["span_id"].to_pylist()
    assert [span_ids[at] for at in of_call] == calls["span_id"].to_pylist()


# Content, usage in JSON, twins, values of every kind: all that a translation has to bring over.
FOREIGN: list[dict[str, Any]] = [
    {"gen_ai.system": "OpenAI", "llm.request.type": "chat", "gen_ai.prompt.0.role": "user",
     "gen_ai.prompt.0.content": 'a "b" ž 🐎', "gen_ai.completion.0.finish_reason": "stop",
     "gen_ai.usage.prompt_tokens": 1000, "gen_ai.usage.completion_tokens": 100,
     "gen_ai.usage.cache_read_input_tokens": 0, "gen_ai.request.model": "gpt-4o",
     "traceloop.association.properties.team": "blue", "llm.is_streaming": "True"},
    {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 3,
     "llm.token_count.completion": 4, "input.value": "hello", "empty": "", "nothing": None,
     "numbers": [1, 2.5, True, "x", ["y"]], "negative": -1, "large": 2**62, "flag": False,
     "nan": float("nan"), "whole": 3.0, "llm_otel.tag.number": 3},
    {"ai.operationId": "ai.streamText.doStream", "gen_ai.system": "openai.chat",
     "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000,
     "gen_ai.usage.output_tokens": 100, "ai.usage.inputTokens": 1000,
     "ai.response.msToFirstChunk": 33.5, "gen_ai.response.finish_reasons": ["stop"]},
    {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o",
     "langfuse.observation.usage_details": '{"input": 10, "output": 5}',
     "langfuse.observation.level": "ERROR"},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic",
     "gen_ai.usage.cache_read_input_tokens": 500, "gen_ai.usage.input_tokens": 1000,
     "gen_ai.usage.output_tokens": 5, "gen_ai.request.model": "claude-sonnet-4-5"},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "crewai", "gen_ai.usage.cost": "0.5"},
    {"traceloop.association.properties.team": "alone"},
    {"gen_ai.completion.0.finish_reason": "stop"},
    {"genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "openai/gpt-4o",
     "genkit:output": '{"usage": {"inputTokens": 99999999999999999999, "outputTokens": 1}}'},
]  # fmt: skip


@pytest.mark.parametrize("older", OLDER + FOREIGN)
@pytest.mark.parametrize("name", ["span", "invoke_agent helper", "claude_code.llm_request"])
def test_other_names_give_the_same_tables_both_ways(older: dict[str, Any], name: str) -> None:
    """Beside a span of today, whatever is other: a name, a word, a value's type, a span's name."""
    requests = [
        samples.spans(samples.CHAT, older, name=name, seed=1).SerializeToString(),
        samples.spans(older, samples.CHAT, older, name="chat", seed=2).SerializeToString(),
    ]
    spans, calls, of_call = traces.decode(requests, pytest.fail)
    expected = slowly(requests)
    assert rows(spans) == rows(expected[0])
    assert rows(calls) == rows(expected[1])
    span_ids = spans["span_id"].to_pylist()
    assert [span_ids[at] for at in of_call] == calls["span_id"].to_pylist()


@pytest.mark.parametrize("older", FOREIGN[:4])
def test_other_names_go_the_quick_way(older: dict[str, Any]) -> None:
    """None of what emitters send day by day is left to the slow one."""
    assert vectors.decode([samples.spans(older, name="span").SerializeToString()]).left == []


@pytest.mark.parametrize("requests", [[], [b""], [samples.spans().SerializeToString()]])
def test_nothing_gives_empty_tables(requests: list[bytes]) -> None:
    """No request, an empty one, one without spans."""
    spans, calls, of_call = traces.decode(requests, pytest.fail)
    assert (spans.num_rows, calls.num_rows, len(of_call)) == (0, 0, 0)


def test_a_failure_of_the_quick_way_is_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All is decoded the other way, and the log says so."""
    monkeypatch.setattr(vectors, "decode", lambda _: 1 / 0)
    spans, _, _ = traces.decode(bodies(1, older=False), pytest.fail)
    assert spans.num_rows > 10
    assert "one span at a time" in caplog.text


def test_nothing_but_what_is_left() -> None:
    """A batch of which every request is for the other way."""
    wrong = {**samples.CHAT, "gen_ai.usage.input_tokens": "12"}
    bodies = [samples.spans(wrong, seed=seed).SerializeToString() for seed in range(3)]
    decoded = vectors.decode(bodies)
    assert decoded.left == [0, 1, 2]
    assert (decoded.spans.num_rows, decoded.calls.num_rows) == (0, 0)
