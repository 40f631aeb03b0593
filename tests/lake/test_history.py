"""The made-up history: the same for the same seed, and telling the stories that it should."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from llm_otel.history import generate
from llm_otel.lake.schema import TABLES

END = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
DAYS = 30


@pytest.fixture(scope="module")
def month() -> dict[str, pa.Table]:
    """Thirty days as one table each."""
    batches = [batch.tables for batch in generate(DAYS, end=END, calls_per_day=1500, seed=3)]
    return {name: pa.concat_tables([tables[name] for tables in batches]) for name in batches[0]}


def _ask(month: dict[str, pa.Table], query: str) -> list[Any]:
    connection = duckdb.connect()
    for name, table in month.items():
        connection.register(name, table)
    return connection.execute(query).fetchall()


def test_the_same_seed_gives_the_same_rows() -> None:
    """Twice the same arguments, twice the same tables; another seed, others."""
    first, second, other = (
        next(iter(generate(2, end=END, calls_per_day=200, seed=seed))).tables for seed in (1, 1, 2)
    )
    assert all(first[name].equals(second[name]) for name in first)
    assert not first["calls"].equals(other["calls"])


def test_tables_have_the_lakes_columns(month: dict[str, pa.Table]) -> None:
    """Every table but `messages` (its content is on spans) has rows, with the lake's own types."""
    assert set(TABLES) - set(month) == {"messages"}
    for name in month:
        assert month[name].schema.equals(TABLES[name].schema), name
        assert month[name].num_rows > 0, name


def test_nothing_is_later_than_the_end(month: dict[str, pa.Table]) -> None:
    """The last day stops at the end; the number of calls is what was asked for."""
    latest, calls = _ask(month, "SELECT max(time), count(*) FROM calls")[0]
    assert latest < END.replace(tzinfo=None)
    assert calls == pytest.approx(1500 * DAYS, rel=0.06)


def test_days_have_a_rhythm(month: dict[str, pa.Table]) -> None:
    """Noon is busier than night, Tuesday than Sunday."""
    hours = dict(_ask(month, "SELECT hour(time), count(*) FROM calls GROUP BY 1"))
    assert hours[10] > 2 * hours[3]
    days = dict(_ask(month, "SELECT dayofweek(time), count(*) FROM calls GROUP BY 1"))
    assert days[2] > 2 * days[0]


def test_an_incident_fails_and_slows_one_provider(month: dict[str, pa.Table]) -> None:
    """In the worst hour every third call to one provider fails, to the others hardly any."""
    worst = _ask(
        month,
        "SELECT provider, date_trunc('hour', time), avg((status = 'error')::INTEGER) AS failed "
        "FROM calls GROUP BY ALL HAVING count(*) > 15 ORDER BY failed DESC LIMIT 2",
    )
    assert {row[0] for row in worst} == {"openai"}
    assert worst[0][2] > 0.25


def test_a_prompt_bloats_and_a_price_rises(month: dict[str, pa.Table]) -> None:
    """`summarise` begins to read far more than it writes; one model begins to cost more."""
    ratios = _ask(
        month,
        "SELECT sum(input_tokens) / sum(output_tokens) FROM calls WHERE feature = 'summarise' "
        "GROUP BY date_trunc('day', time) ORDER BY date_trunc('day', time)",
    )
    assert ratios[0][0] < 10 < ratios[-1][0]
    prices = _ask(
        month,
        "SELECT max(cost_usd / (input_tokens + 5 * output_tokens)) FROM calls "
        "WHERE model = 'claude-haiku-4-5' AND status = 'ok' AND cache_read_tokens = 0 "
        "GROUP BY date_trunc('day', time) ORDER BY date_trunc('day', time)",
    )
    assert prices[-1][0] == pytest.approx(1.6 * prices[0][0])


def test_spans_nest(month: dict[str, pa.Table]) -> None:
    """Each parent is a span of the same trace that holds its child in time."""
    wrong = _ask(
        month,
        "SELECT count(*) FROM spans c LEFT JOIN spans p ON p.trace_id = c.trace_id "
        "AND p.span_id = c.parent_span_id WHERE c.parent_span_id IS NOT NULL AND (p.span_id IS "
        "NULL OR p.time > c.time OR p.time + to_microseconds((p.duration_s * 1000000)::BIGINT) "
        "+ INTERVAL 1 MILLISECOND < c.time + to_microseconds((c.duration_s * 1000000)::BIGINT))",
    )
    assert wrong == [(0,)]


def test_metrics_agree_with_the_calls(month: dict[str, pa.Table]) -> None:
    """Nothing is sampled here, so the metrics' sums are those of the calls."""
    true = _ask(month, "SELECT sum(cost_usd), count(*) FROM calls")[0]
    told = _ask(
        month,
        "SELECT sum(sum) FILTER (metric = 'gen_ai.cost.usd'), "
        "sum(count) FILTER (metric = 'gen_ai.request.duration') FROM metrics_hourly",
    )[0]
    assert told[0] == pytest.approx(true[0])
    assert told[1] == true[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"days": 0}, "at least 1"), ({"calls_per_day": 0}, "at least 1"), ({"spans": 2}, "spans")],
)
def test_arguments_that_make_no_sense_are_refused(wrong: dict[str, Any], said: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match=said):
        next(iter(generate(**wrong)))
