"""The list of traces: filtered, in the order of any of its columns, a page at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries import marks
from llm_otel.lake.queries.filters import Filter, described
from llm_otel.lake.queries.reader import Reader


@dataclass(frozen=True)
class Order:
    """One way to sort the list.

    Attributes:
        expression: Of the calls of a trace. Traces without a value come last in both directions.
        ascending: Whether what one looks for is the least, as the first name, and not the greatest.
        beside: A query of `trace_id` and `value`, if the expression asks for `beside.value`.
    """

    expression: str
    ascending: bool = False
    beside: str = ""


_MODEL: Final = "coalesce(min(model) FILTER (operation <> 'embeddings'), min(model))"
_STATUS: Final = """
    CASE WHEN bool_or(status = 'error') THEN 'error'
        WHEN bool_or(status = 'cancelled') THEN 'cancelled' ELSE 'ok' END
"""
_EXTENT: Final = """
    (max(epoch_us(time) + (duration_s * 1000000)::BIGINT) - min(epoch_us(time))) / 1000000
"""
_ROOT: Final = """
    SELECT trace_id, max(duration_s) AS value FROM spans
    WHERE time >= $calls_since AND time < $calls_until AND parent_span_id IS NULL GROUP BY trace_id
"""
_LEAST_SCORE: Final = """
    SELECT trace_id, min(score) AS value FROM scores WHERE time >= $calls_since GROUP BY trace_id
"""
TIME: Final = "time"
# The name of a column -> how the list is sorted by it; the first is the default.
ORDERS: Final = {
    TIME: Order("min(time)"),
    "status": Order(f"CASE {_STATUS} WHEN 'error' THEN 2 WHEN 'cancelled' THEN 1 ELSE 0 END"),
    "duration": Order(f"coalesce(any_value(beside.value), {_EXTENT})", beside=_ROOT),
    "slowest": Order("max(duration_s)"),
    "cost": Order("sum(cost_usd)"),
    "in": Order("sum(coalesce(input_tokens, 0))"),
    "out": Order("sum(coalesce(output_tokens, 0))"),
    "calls": Order("count(*)"),
    "scores": Order("any_value(beside.value)", ascending=True, beside=_LEAST_SCORE),
    "models": Order(_MODEL, ascending=True),
    "tenant": Order("min(tenant_id)", ascending=True),
    "feature": Order("min(feature)", ascending=True),
    "user": Order('min("user")', ascending=True),
    "session": Order("min(session_id)", ascending=True),
}
# The times of the calls are at most so far from their trace's other spans for the list.
_NEAR: Final = timedelta(hours=1)
# So many calls are looked at for each trace of the list.
_CALLS_A_TRACE: Final = 8

_NEWEST: Final = """
    SELECT trace_id, time FROM {calls}
    WHERE time >= $first AND time < $last ORDER BY time {way} LIMIT $reach
"""
_SORTED: Final = """
    SELECT trace_id, min(time) AS time FROM {source} {beside} GROUP BY trace_id
    ORDER BY {expression} {way} NULLS LAST, min(time) DESC, trace_id LIMIT $size OFFSET $skip
"""
# A trace is sorted by all of its calls, as they are what the list shows of it.
_ALL_OF_THEM: Final = """(
    SELECT * FROM calls WHERE time >= $calls_since AND time < $calls_until
        AND trace_id IN (SELECT trace_id FROM {calls})
)"""
_BESIDE: Final = "LEFT JOIN ({query}) beside USING (trace_id)"
_LISTED: Final = f"""
    SELECT trace_id, min(time) AS time, count(*) AS calls, sum(cost_usd) AS cost_usd,
        count(*) FILTER ({marks.UNPRICED}) AS unpriced,
        sum(coalesce(input_tokens, 0))::BIGINT AS input_tokens,
        sum(coalesce(output_tokens, 0))::BIGINT AS output_tokens,
        {_EXTENT} AS duration_s, max(duration_s) AS slowest_s,
        list_sort(list_distinct(coalesce(list(model) FILTER (operation <> 'embeddings'),
            list(model)))) AS models, min(feature) AS feature,
        min(tenant_id) AS tenant_id, min("user") AS "user",
        min(session_id) AS session_id, {_STATUS} AS status,
        min(error_type) FILTER (status <> 'ok') AS error_type, NULL AS name
    FROM calls WHERE trace_id IN (SELECT unnest($ids)) AND {{near}} GROUP BY trace_id
"""  # noqa: S608 - texts of this module
_ROOTS: Final = """
    SELECT trace_id, name, duration_s, status FROM spans
    WHERE trace_id IN (SELECT unnest($ids)) AND parent_span_id IS NULL AND {near}
"""


@dataclass(frozen=True)
class TraceRow:
    """One trace of the list: sums of its calls and the slowest of them, `name` and `duration_s` of
    its root span. The cost of `unpriced` calls is unknown, or known in part."""

    trace_id: str
    time: datetime
    calls: int
    cost_usd: float | None
    unpriced: int
    input_tokens: int
    output_tokens: int
    duration_s: float | None
    slowest_s: float | None
    models: list[str]
    feature: str | None
    tenant_id: str | None
    user: str | None
    session_id: str | None
    status: str
    error_type: str | None
    name: str | None


@dataclass(frozen=True)
class _Pick:
    trace_id: str
    time: datetime


@dataclass(frozen=True)
class _Root:
    trace_id: str
    name: str
    duration_s: float | None
    status: str


def traces(
    reader: Reader,
    order: str = TIME,
    limit: int = 50,
    skip: int = 0,
    *,
    ascending: bool | None = None,
) -> list[TraceRow]:
    """The first traces with a call that the filter lets through.

    Args:
        reader: The filter's.
        order: A key of `ORDERS`.
        limit: At most so many.
        skip: Without so many of the first.
        ascending: The least first; None: as is usual for the order.
    """
    upwards = ORDERS[order].ascending if ascending is None else ascending
    if order == TIME:
        picks = _by_time(reader, skip + limit, upwards)[skip : skip + limit]
    else:
        picks = _sorted(reader, ORDERS[order], upwards, limit, skip)
    if not picks:
        return []
    ids, near = [pick.trace_id for pick in picks], _near(pick.time for pick in picks)
    summaries = reader.rows(_LISTED.replace("{near}", near[0]), TraceRow, ids=ids, **near[1])
    root_rows = reader.rows(_ROOTS.replace("{near}", near[0]), _Root, ids=ids, **near[1])
    roots = {row.trace_id: row for row in root_rows}
    rows = {row.trace_id: _with_root(row, roots.get(row.trace_id)) for row in summaries}
    return [rows[trace] for trace in ids if trace in rows]


def _by_time(reader: Reader, size: int, upwards: bool) -> list[_Pick]:
    """The first traces by the time of their last call, or upwards of their first; at least `size`
    of them where there are. Of the many rows only those at the end of the window are looked at."""
    text = _NEWEST.replace("{way}", "" if upwards else "DESC")
    picks: dict[str, _Pick] = {}
    for first, last in _ends(reader.filter, upwards):
        reach = size * _CALLS_A_TRACE
        while True:
            calls = reader.rows(text, _Pick, first=first, last=last, reach=reach)
            picks = {}
            for call in calls:
                picks.setdefault(call.trace_id, call)
            if len(picks) >= size or len(calls) < reach:
                break
            reach *= _CALLS_A_TRACE  # traces of many calls
        if len(picks) >= size:
            break
    return list(picks.values())


def _sorted(reader: Reader, order: Order, upwards: bool, size: int, skip: int) -> list[_Pick]:
    beside = _BESIDE.replace("{query}", order.beside) if order.beside else ""
    text = (
        _SORTED.replace("{source}", _ALL_OF_THEM if described(reader.filter) else "{calls}")
        .replace("{beside}", beside)
        .replace("{expression}", order.expression)
        .replace("{way}", "ASC" if upwards else "DESC")
    )
    return reader.rows(text, _Pick, size=size, skip=skip)


def _ends(selection: Filter, upwards: bool) -> list[tuple[datetime, datetime]]:
    """The day at the end of the window that is asked for, then the whole: one day often will do."""
    day, whole = timedelta(days=1), (selection.since, selection.until)
    if upwards:
        return [(selection.since, min(selection.until, selection.since + day)), whole]
    return [(max(selection.since, selection.until - day), selection.until), whole]


def _near(times: Iterable[datetime]) -> tuple[str, dict[str, datetime]]:
    """A condition that opens only the rows around `times`: one window where they lie together,
    one each where they do not."""
    ordered = sorted(times)
    windows = [[ordered[0] - _NEAR, ordered[0] + _NEAR]]
    for time in ordered[1:]:
        if time - _NEAR <= windows[-1][1]:
            windows[-1][1] = time + _NEAR
        else:
            windows.append([time - _NEAR, time + _NEAR])
    parts: list[str] = []
    bound: dict[str, datetime] = {}
    for number, window in enumerate(windows):
        parts.append(f"time BETWEEN $near{number}_a AND $near{number}_b")
        bound |= {f"near{number}_a": window[0], f"near{number}_b": window[1]}
    return f"({' OR '.join(parts)})", bound


def _with_root(row: TraceRow, root: _Root | None) -> TraceRow:
    if root is None:
        return row
    return dataclasses.replace(row, name=root.name, duration_s=root.duration_s)
