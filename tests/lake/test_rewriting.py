"""Spans under other names and words than today's, and values of any type: what is read of them."""

from __future__ import annotations

import gc
import json
import math
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from lake import random_spans, samples
from lake.samples import Rows

from llm_otel import semconv
from llm_otel.foreign.names import CALLS, CONTENT, OLDER
from llm_otel.lake.decode import TRACES, from_protobuf, span_columns, traces
from llm_otel.lake.decode.span_batch import Batch
from llm_otel.lake.decode.values import mapping

JSON = ("attributes", "events", "links", "resource")
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
          "reasoning_tokens")  # fmt: skip
MODELS = (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
# Column -> attribute that is in it as it was sent.
COLUMNS = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "tenant_id": "tenant_id",
    "input_messages": "gen_ai.input.messages",
}


def decoded(*requests: Any) -> tuple[Rows, Rows]:
    """The rows of `spans` and of `calls`, JSON parsed."""
    bodies = [each if isinstance(each, bytes) else each.SerializeToString() for each in requests]
    spans, calls, of_call = traces.decode(bodies, pytest.fail)
    ids = spans["span_id"].to_pylist()
    assert [ids[row] for row in of_call] == calls["span_id"].to_pylist()
    rows = [
        {k: json.loads(v) if k in JSON and v is not None else v for k, v in row.items()}
        for row in spans.to_pylist()
    ]
    return rows, calls.to_pylist()


def sent(bodies: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    """The attributes of each span that can be a row, by its id."""
    return {
        span.span_id.hex(): mapping(span.attributes)
        for body in bodies
        for resource in from_protobuf(TRACES, body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if len(span.trace_id) == 16 and any(span.trace_id)
        if len(span.span_id) == 8 and any(span.span_id)
    }


def sorted_rows(rows: Rows) -> Rows:
    """Rows by their ids."""
    return sorted(rows, key=lambda row: (row["trace_id"], row["span_id"]))


@pytest.mark.parametrize("seed", range(8))
def test_own_spans_are_stored_as_they_are_sent(seed: int) -> None:
    """Each attribute in the JSON or the column that it has, nothing else beside it."""
    bodies = random_spans.own(seed)
    attributes = sent(bodies)
    spans, _ = decoded(*bodies)
    assert [row["span_id"] for row in spans] == list(attributes)
    for row in spans:
        expected = attributes[row["span_id"]]
        for column, name in COLUMNS.items():
            assert row[column] == expected.get(name), (column, expected)
        kept = {name: value for name, value in expected.items() if name not in CONTENT}
        if semconv.USAGE_CACHE_WRITE_V141 in kept:
            older = kept.pop(semconv.USAGE_CACHE_WRITE_V141)
            kept.setdefault(semconv.USAGE_CACHE_WRITE, older)
        assert row["attributes"] == kept


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("changes", [0, 1, 4, 10])
def test_any_span_gives_one_row_of_possible_values(seed: int, changes: int) -> None:
    """Whatever names meet on a span, whatever values they have."""
    bodies = random_spans.others(seed, changes=changes)
    spans, calls = decoded(*bodies)
    assert [row["span_id"] for row in spans] == list(sent(bodies))
    operations = {row["span_id"]: row["operation"] for row in spans}
    assert [i for i, operation in operations.items() if operation in CALLS] == [
        row["span_id"] for row in calls
    ]
    for row in calls:
        assert all(row[name] is None or 0 <= row[name] <= 3 * 10**12 for name in COUNTS), row
        assert row["cost_usd"] is None or 0 <= row["cost_usd"] <= 100_000, row
        assert row["first_chunk_s"] is None or math.isfinite(row["first_chunk_s"]), row
        assert row["cost_usd"] is None or row["cost_status"] in (None, "incomplete", "estimated")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("changes", [1, 6])
def test_a_span_is_read_alike_alone_and_among_others(seed: int, changes: int) -> None:
    """What one span says is no other one's, and the order of requests does not matter."""
    bodies = random_spans.own(seed) + random_spans.others(seed + 100, changes=changes)
    together = decoded(*bodies)
    alone = [decoded(body) for body in bodies]
    backwards = decoded(*reversed(bodies))
    for table in (0, 1):
        assert [row for tables in alone for row in tables[table]] == together[table]
        assert sorted_rows(backwards[table]) == sorted_rows(together[table])


@pytest.mark.parametrize("seed", range(6))
def test_no_older_name_is_left(seed: int) -> None:
    """But for the kind of a step, a cost that is none, and a framework in the provider's place."""
    kept = {"gen_ai.system"} | {
        name
        for name, today in OLDER.items()
        if today in (semconv.OPERATION_NAME, semconv.COST_AMOUNT)
    }
    bodies = random_spans.others(seed, changes=6)
    attributes = sent(bodies)
    for row in decoded(*bodies)[0]:
        assert not (row["attributes"].keys() & OLDER.keys()) - kept
        if row["span_id"] in attributes:
            targets = {OLDER[name] for name in attributes[row["span_id"]] if name in OLDER}
            expected = targets - {semconv.OPERATION_NAME, semconv.COST_AMOUNT}
            assert not expected - row["attributes"].keys() - {semconv.PROVIDER_NAME, *MODELS}


REPEATED = (
    {"gen_ai.system": "azure", "gen_ai.prompt.0.content": "one", "gen_ai.request.model": "gpt-4o"},
    {"gen_ai.system": "bedrock", "gen_ai.prompt.0.content": "two", "gen_ai.request.model": "none"},
)


def test_of_an_attribute_that_is_sent_twice_the_last_value_counts() -> None:
    """A map of OTLP has each key once; some senders repeat them."""
    request = samples.spans({"gen_ai.system": "openai", "llm.request.type": "chat"}, {})
    for values in REPEATED:
        samples.fill(request.resource_spans[0].scope_spans[0].spans[0].attributes, values)
    (span, _), _ = decoded(request, samples.spans(seed=2))
    assert (span["operation"], span["provider"]) == ("chat", "aws.bedrock")
    assert span["model"] is None
    assert json.loads(span["input_messages"])[0]["parts"][0]["content"] == "two"


ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a provider that is a list": (
        {
            "gen_ai.provider.name": ["anthropic"],
            "gen_ai.usage.input_tokens": 5,
            "gen_ai.usage.cache_read_input_tokens": 3,
        },
        {"provider": '["anthropic"]', "input_tokens": 5, "cache_read_tokens": 3, "cost_usd": None},
    ),
    "a workflow that is a number": (
        {"gen_ai.workflow.name": 7, "gen_ai.request.model": "gpt-4o"},
        {"operation": "invoke_workflow"},
    ),
    "reasons with nothing among them": (
        {"gen_ai.response.finish_reasons": ["stop", None]},
        {"finish_reasons": ["stop", None]},
    ),
    "reasons as JSON": (
        {"gen_ai.response.finish_reasons": '["stop", 1]'},
        {"finish_reasons": ["stop", "1"]},
    ),
    "cached tokens alone have no cost": (
        {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.cache_read.input_tokens": 0,
        },
        {"cost_usd": None, "input_tokens": None},
    ),
    "a tenant that is a number, a user that is nothing": (
        {"tenant_id": 7, "user.hash": 0, "user.id": "someone"},
        {"tenant_id": "7", "user": "someone"},
    ),
    "a stream as a text": ({"gen_ai.request.stream": "True"}, {"streaming": True}),
    "an error class that is a list": (
        {"llm_otel.error.class": ["timeout"]},
        {"status": "error", "error_type": '["timeout"]'},
    ),
    "a status that is a text": (
        {"error.type": "_OTHER", "http.response.status_code": "429"},
        {"status_code": 429, "error_type": "rate_limit"},
    ),
    "a message that is no text, and one without a value": (
        {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": 7,
            "gen_ai.prompt.1.content": None,
        },
        {
            "input_messages": '[{"role":"user","parts":[{"type":"text","content":7}]},'
            '{"role":"assistant","parts":[]}]'
        },
    ),
    "a message whose field looks like ours": (
        {"gen_ai.completion.0.\x001\x00": "a", "gen_ai.completion.0.100 %s": '"b"'},
        {
            "output_messages": '[{"role":"assistant","parts":[],"\\u00001\\u0000":"a",'
            '"100 %s":"\\"b\\""}]'
        },
    ),
    "milliseconds as a text": ({"ttft_ms": "250"}, {"first_chunk_s": 0.25}),
    "a count under a second name where the first has none": (
        {"gen_ai.usage.prompt_tokens": "many", "llm.usage.prompt_tokens": 9},
        {"input_tokens": 9},
    ),
    "a cost of 0 for tokens, under two names": (
        {"gen_ai.usage.cost": 0.0, "llm.cost.total": 0.5, "gen_ai.usage.input_tokens": 9},
        {"cost_usd": 0.5},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values(case: str) -> None:
    """Each is read for what it says, or is unknown; a good span beside it stays as it is."""
    attributes, expected = ODD[case]
    request = samples.spans({"gen_ai.operation.name": "chat", **attributes}, samples.CHAT)
    spans, calls = decoded(request)
    found = spans[0] | (calls[0] if len(calls) == 2 else {})
    assert {name: found[name] for name in expected} == expected
    assert [call["cost_usd"] for call in calls][-1] == samples.CHAT["gen_ai.usage.cost.amount"]


def test_what_json_says_is_of_its_own_span() -> None:
    """Values from JSON are rewritten further, each on the span that it came with."""
    providers = {"azure": "azure.ai.openai", "openai": "openai", "bedrock": "aws.bedrock"}
    request = samples.spans(
        *(
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.llm.provider": f'"{word}"',
                "mlflow.llm.model": f'"model of {word}"',
                "mlflow.chat.tokenUsage": f'{{"input_tokens": {number}, "output_tokens": 1}}',
            }
            for number, word in enumerate(providers)
        )
    )
    _, calls = decoded(request)
    assert [call["provider"] for call in calls] == list(providers.values())
    assert [call["model"] for call in calls] == [f"model of {word}" for word in providers]
    assert [call["input_tokens"] for call in calls] == [0, 1, 2]


def test_spans_beside_one_that_cannot_be_decoded_keep_their_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The requests of those that cannot be are named once each."""
    columns = span_columns.columns

    def fails(batch: Batch) -> dict[str, Any]:
        if "poison" in batch.attributes.names:
            raise RuntimeError("a bug of ours")
        return columns(batch)

    monkeypatch.setattr(span_columns, "columns", fails)
    bad, good = {"poison": 1}, {"step": 1}
    requests = [
        samples.spans(good, samples.CHAT, bad, samples.CHAT, bad, good, seed=1),
        samples.spans(samples.CHAT, good, samples.CHAT, seed=2),
        samples.spans(bad, good, seed=3),
    ]
    failed: list[int] = []
    spans, calls, of_call = traces.decode(
        [request.SerializeToString() for request in requests], failed.append
    )
    assert failed == [0, 2]
    assert (spans.num_rows, calls.num_rows) == (8, 4)
    ids = spans["span_id"].to_pylist()
    assert [ids[row] for row in of_call] == calls["span_id"].to_pylist()


def test_thousands_of_names_take_memory_in_proportion() -> None:
    """Names that two others become, on one span of many."""
    call = {"llm.request.type": "chat", "gen_ai.request.model": "gpt-4o"}
    prefixes = ("traceloop.association.properties.", "llm_otel.tag.")
    names = {f"{prefix}{number}": "v" for number in range(2000) for prefix in prefixes}
    body = samples.spans(*[call] * 5000, {**call, **names}).SerializeToString()
    decoded(samples.spans(call))
    tracemalloc.start()
    try:
        _, calls, _ = traces.decode([body], pytest.fail)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(dict(calls["tags"].to_pylist()[-1])) == 2000
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"


def test_thousands_of_tags_take_time_in_proportion() -> None:
    """Eight times the names may not take much more than eight times as long."""

    def seconds(count: int) -> float:
        tags = {f"llm_otel.tag.{number}": "v" for number in range(count)}
        body = samples.spans({**samples.CHAT, **tags}).SerializeToString()
        began = time.process_time()
        _, calls, _ = traces.decode([body], pytest.fail)
        assert len(calls["tags"].to_pylist()[0]) == count
        return time.process_time() - began

    seconds(100)
    short, long = min(seconds(4000) for _ in range(3)), min(seconds(32000) for _ in range(2))
    assert long < 20 * short, f"{short:.2f} s and {long:.2f} s"


def test_names_that_are_long_or_many_are_not_kept() -> None:
    """Whoever sends other ones each time fills no memory."""

    def decode(start: int) -> None:
        call = {"llm.request.type": "chat", "success": "false"}
        many = {f"a name as long as they are {number}": 1 for number in range(start, start + 2000)}
        long = {f"{number}" + "x" * 20_000: 1 for number in range(start, start + 50)}
        provider = {"gen_ai.system": f"{start}" + "y" * 20_000}
        decoded(samples.spans(call | many, call | long | provider))

    decode(0)
    tracemalloc.start()
    try:
        for start in range(10_000, 20_000, 1000):
            decode(start)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3e6, f"{held / 1e6:.1f} MB"
