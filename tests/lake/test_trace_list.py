"""The list of traces: in the order of any of its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from browser.parts import NOW, fill

import llm_otel.lake
from llm_otel.lake.queries import Filter, Reader
from llm_otel.lake.queries.filters import Limit
from llm_otel.lake.queries.trace_list import TraceRow, traces
from llm_otel.lake.reading import Lake

END = NOW.replace(tzinfo=None)
WEEK = Filter(END.replace(minute=0) - timedelta(days=7), END)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Eight days of made-up history."""
    return llm_otel.lake.open(fill(tmp_path_factory.mktemp("lake"), 8, 300))


_WORST: Final = {"error": 2, "cancelled": 1, "ok": 0}
_FIGURES: Final[dict[str, Callable[[TraceRow], Any]]] = {
    "status": lambda row: _WORST[row.status],
    "duration": lambda row: row.duration_s,
    "slowest": lambda row: row.slowest_s,
    "cost": lambda row: row.cost_usd,
    "in": lambda row: row.input_tokens,
    "out": lambda row: row.output_tokens,
    "calls": lambda row: row.calls,
    "models": lambda row: row.models[0],
    "tenant": lambda row: row.tenant_id,
    "feature": lambda row: row.feature,
    "user": lambda row: row.user,
    "session": lambda row: row.session_id,
}


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("order", _FIGURES)
@pytest.mark.parametrize(
    "selection", [WEEK, replace(WEEK, limits=(Limit("cost", ">=", 0.02),))], ids=["all", "dear"]
)
def test_traces_come_in_their_order(
    lake: Lake, order: str, ascending: bool, selection: Filter
) -> None:
    """By what the list shows of each, both ways, page by page; what has no value comes last."""
    reader, figure = Reader(lake, selection), _FIGURES[order]
    everything = traces(reader, limit=1_000_000)
    if selection is not WEEK:
        assert all((row.cost_usd or 0) >= 0.02 for row in everything)
    values = [figure(row) for row in everything]
    known = sorted((value for value in values if value is not None), reverse=not ascending)
    expected = [*known, *(value for value in values if value is None)][:20]
    pages = [traces(reader, order, limit=10, skip=skip, ascending=ascending) for skip in (0, 10)]
    rows = [row for page in pages for row in page]
    assert [figure(row) for row in rows] == pytest.approx(expected)
    assert len({row.trace_id for row in rows}) == 20


def test_the_worst_score_comes_first(lake: Lake) -> None:
    """A trace has several scores: the least of them counts."""
    least = dict(lake.sql("SELECT trace_id, min(score) FROM scores GROUP BY trace_id").fetchall())
    rows = traces(Reader(lake, WEEK), "scores", limit=20)
    scores = [least[row.trace_id] for row in rows]
    assert scores == sorted(scores)
    everything = traces(Reader(lake, WEEK), limit=1_000_000)
    assert scores[0] == min(least[row.trace_id] for row in everything if row.trace_id in least)


@pytest.mark.parametrize("ascending", [False, True])
def test_the_newest_has_the_last_call(lake: Lake, ascending: bool) -> None:
    """By the time of the last call; the other way round by that of the first."""
    end = "min" if ascending else "max"
    query = f"""
        SELECT trace_id FROM calls WHERE time >= '{WEEK.since}' AND time < '{WEEK.until}'
        GROUP BY trace_id ORDER BY {end}(time) {"" if ascending else "DESC"} LIMIT 20
    """
    rows = traces(Reader(lake, WEEK), limit=20, ascending=ascending)
    assert [row.trace_id for row in rows] == [name for (name,) in lake.sql(query).fetchall()]
