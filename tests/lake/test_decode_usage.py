"""What calls used and cost, whatever type and names their spans give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lake import samples
from lake.samples import Store

from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Ingest


def test_an_unknown_model_has_no_cost(store: Store) -> None:
    """Unknown is NULL, never 0; no usage has no cost either."""
    unknown = {**samples.OPENINFERENCE, "llm.model_name": "nobody-knows-this-one"}
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
    attributes = samples.CHAT if named == "today's names" else samples.OPENINFERENCE
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
