"""Finding a trace, and everything about one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from llm_otel.foreign.names import CALLS
from llm_otel.lake.queries import marks
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader

# What the list can be sorted by: traces by their time, the first is the default, and calls by what
# they have most of.
_TIMES: Final = {"newest": "time DESC", "oldest": "time"}
FIGURES: Final = {
    "cost": "cost_usd",
    "latency": "duration_s",
    "tokens": "(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))",
    "input": "coalesce(input_tokens, 0)",
    "output": "coalesce(output_tokens, 0)",
}
ORDERS: Final = {**_TIMES, **FIGURES}
# The times of the calls are at most so far from their trace's other spans for the list.
_NEAR: Final = timedelta(hours=1)
# So many calls are looked at for each trace of the list.
_CALLS_A_TRACE: Final = 8

_PICKED: Final = """
    SELECT trace_id, time FROM {calls}
    WHERE time >= $first AND time < $last AND ($cost_from IS NULL OR cost_usd >= $cost_from)
        AND ($seconds_from IS NULL OR duration_s >= $seconds_from)
    ORDER BY {order} LIMIT $reach
"""
# Two steps: of the many rows only the one column is read, of the few all that are shown.
_CUT: Final = """
    SELECT min(figure) AS figure FROM (
        SELECT {figure} AS figure FROM {calls}
        WHERE {figure} >= $least AND ($cost_from IS NULL OR cost_usd >= $cost_from)
            AND ($seconds_from IS NULL OR duration_s >= $seconds_from)
        ORDER BY figure DESC LIMIT $reach
    )
"""
_GREATEST: Final = """
    SELECT trace_id, time, 1 AS calls, cost_usd, coalesce({unpriced}, false)::INTEGER AS unpriced,
        coalesce(input_tokens, 0) AS input_tokens,
        coalesce(output_tokens, 0) AS output_tokens, duration_s, [model] AS models, feature,
        tenant_id, "user", session_id, status, error_type, name
    FROM {calls}
    WHERE {figure} >= $cut AND ($cost_from IS NULL OR cost_usd >= $cost_from)
        AND ($seconds_from IS NULL OR duration_s >= $seconds_from)
    ORDER BY {figure} DESC, span_id LIMIT $reach OFFSET $skip
""".replace("{unpriced}", marks.UNPRICED)
_LISTED: Final = """
    SELECT trace_id, min(time) AS time, count(*) AS calls, sum(cost_usd) AS cost_usd,
        count(*) FILTER ({unpriced}) AS unpriced,
        sum(coalesce(input_tokens, 0))::BIGINT AS input_tokens,
        sum(coalesce(output_tokens, 0))::BIGINT AS output_tokens,
        date_diff('microsecond', min(time), max(time + to_microseconds(
            (duration_s * 1000000)::BIGINT))) / 1000000 AS duration_s,
        list_sort(list_distinct(coalesce(list(model) FILTER (operation <> 'embeddings'),
            list(model)))) AS models, any_value(feature) AS feature,
        any_value(tenant_id) AS tenant_id, any_value("user") AS "user",
        any_value(session_id) AS session_id,
        CASE WHEN bool_or(status = 'error') THEN 'error'
            WHEN bool_or(status = 'cancelled') THEN 'cancelled' ELSE 'ok' END AS status,
        any_value(error_type) FILTER (status <> 'ok') AS error_type, NULL AS name
    FROM calls WHERE trace_id IN (SELECT unnest($ids)) AND {near} GROUP BY trace_id
""".replace("{unpriced}", marks.UNPRICED)
_ROOTS: Final = """
    SELECT trace_id, name, duration_s, status FROM spans
    WHERE trace_id IN (SELECT unnest($ids)) AND parent_span_id IS NULL AND {near}
"""


@dataclass(frozen=True)
class TraceRow:
    """One trace of the list: sums of its calls, `name` and `duration_s` of its root span; or one
    call, where the list is of calls. The cost of `unpriced` calls is unknown, or known in part."""

    trace_id: str
    time: datetime
    calls: int
    cost_usd: float | None
    unpriced: int
    input_tokens: int
    output_tokens: int
    duration_s: float | None
    models: list[str]
    feature: str | None
    tenant_id: str | None
    user: str | None
    session_id: str | None
    status: str
    error_type: str | None
    name: str | None


@dataclass(frozen=True)
class _Picked:
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
    order: str = "newest",
    limit: int = 50,
    cost_from: float | None = None,
    seconds_from: float | None = None,
    skip: int = 0,
) -> list[TraceRow]:
    """The first traces in `order` that the filter lets through; by cost, latency or tokens: the
    first calls.

    Args:
        reader: The filter's.
        order: A key of `ORDERS`.
        limit: At most so many traces.
        cost_from, seconds_from: Only traces with a call that costs or takes at least this.
        skip: Without so many of the first.
    """
    least = {"cost_from": cost_from, "seconds_from": seconds_from}
    if order in FIGURES:
        return _greatest(reader, FIGURES[order], limit, least, skip)
    text = _PICKED.replace("{order}", _TIMES[order])
    picked: list[_Picked] = []
    for first, last in _ends(reader.filter, order):
        reach = (skip + limit) * _CALLS_A_TRACE
        bounds = {"first": first, "last": last, "reach": reach}
        picked = reader.rows(text, _Picked, **bounds, **least)
        if len(picked) == reach:
            break
    every: dict[str, datetime] = {}
    for row in picked:
        every.setdefault(row.trace_id, row.time)
    times = dict([*every.items()][skip : skip + limit])
    if not times:
        return []
    ids, near = list(times), _near(times.values())
    summaries = reader.rows(_LISTED.replace("{near}", near[0]), TraceRow, ids=ids, **near[1])
    root_rows = reader.rows(_ROOTS.replace("{near}", near[0]), _Root, ids=ids, **near[1])
    roots = {row.trace_id: row for row in root_rows}
    rows = {row.trace_id: _with_root(row, roots.get(row.trace_id)) for row in summaries}
    return [rows[trace] for trace in ids if trace in rows]


def _greatest(
    reader: Reader, figure: str, limit: int, least: dict[str, float | None], skip: int
) -> list[TraceRow]:
    cut = reader.one(_CUT.replace("{figure}", figure), _Cut, reach=skip + limit, least=0, **least)
    if cut.figure is None:
        return []
    text = _GREATEST.replace("{figure}", figure)
    return reader.rows(text, TraceRow, reach=limit, skip=skip, cut=cut.figure, **least)


@dataclass(frozen=True)
class _Cut:
    figure: float | None


def _ends(selection: Filter, order: str) -> list[tuple[datetime, datetime]]:
    """The day at the end of the window that is asked for, then the whole: one day often will do."""
    day = timedelta(days=1)
    if order == "newest":
        return [
            (max(selection.since, selection.until - day), selection.until),
            (selection.since, selection.until),
        ]
    return [
        (selection.since, min(selection.until, selection.since + day)),
        (selection.since, selection.until),
    ]


def _near(times: Any) -> tuple[str, dict[str, datetime]]:
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


@dataclass(frozen=True)
class Span:
    """One span of a trace; tokens and cost where it is a provider call. `repeats`: it tells of a
    call that a span below it tells of, too, and counts there."""

    time: datetime
    span_id: str
    parent_span_id: str | None
    service_name: str | None
    name: str
    kind: str | None
    duration_s: float | None
    status: str | None
    status_message: str | None
    error_type: str | None
    operation: str | None
    provider: str | None
    model: str | None
    tenant_id: str | None
    feature: str | None
    user: str | None
    session_id: str | None
    attributes: str | None
    events: str | None
    input_messages: str | None
    output_messages: str | None
    system_instructions: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    cost_status: str | None
    first_chunk_s: float | None
    retries: int | None
    repeats: bool


# What is read of a span only where it is opened.
_TEXTS: Final = ("attributes", "events", "input_messages", "output_messages", "system_instructions")
_SPANS: Final = """
    SELECT s.* REPLACE ({texts}), c.input_tokens, c.output_tokens, c.cache_read_tokens,
        c.cache_write_tokens, c.reasoning_tokens, c.cost_usd, c.cost_status,
        c.first_chunk_s, c.retries,
        c.trace_id IS NULL AND coalesce(list_contains($calls, s.operation), false) AS repeats
    FROM (SELECT * FROM spans WHERE trace_id = $trace AND time BETWEEN $a AND $b) s
    LEFT JOIN (
        SELECT * REPLACE ({status} AS cost_status) FROM calls
        WHERE trace_id = $trace AND time BETWEEN $a AND $b
    ) c USING (span_id)
    {messages}
    ORDER BY s.time, s.parent_span_id IS NOT NULL
""".replace("{status}", marks.STATUS)
_WITH_TEXTS: Final = """
    coalesce(s.input_messages, m.input_messages) AS input_messages,
    coalesce(s.output_messages, m.output_messages) AS output_messages,
    coalesce(s.system_instructions, m.system_instructions) AS system_instructions
"""
_WITHOUT_TEXTS: Final = ", ".join(f"NULL AS {name}" for name in _TEXTS)
_MESSAGES: Final = """
    LEFT JOIN (
        SELECT * FROM messages WHERE trace_id = $trace AND time BETWEEN $a AND $b
        QUALIFY row_number() OVER (PARTITION BY span_id ORDER BY time DESC, event_id) = 1
    ) m USING (span_id)
"""
_WHEN: Final = """
    SELECT trace_id, min(time) AS time FROM calls WHERE trace_id = $trace GROUP BY trace_id
    UNION ALL
    SELECT trace_id, min(time) AS time FROM spans WHERE trace_id = $trace GROUP BY trace_id
"""
_AROUND: Final = timedelta(hours=12)
_ALWAYS: Final = datetime(1970, 1, 1), datetime(2200, 1, 1)


def trace(
    lake: Connects, trace_id: str, near: datetime | None = None, *, texts: bool = True
) -> list[Span]:
    """The spans of a trace, oldest first.

    Args:
        lake: An open lake.
        trace_id: 32 hex digits.
        near: A time in it; without, all days are read.
        texts: Whether attributes, events and messages are read, too.
    """
    if near is None:
        reader = Reader(lake, Filter(*_ALWAYS), timedelta())
        rows = reader.rows(_WHEN, _Picked, trace=trace_id)
        if not rows:
            return []
        near = rows[0].time
    window = near - _AROUND, near + _AROUND
    reader = Reader(lake, Filter(*window), timedelta())
    bound = {"trace": trace_id, "a": window[0], "b": window[1], "calls": sorted(CALLS)}
    text = _SPANS.replace("{texts}", _WITH_TEXTS if texts else _WITHOUT_TEXTS)
    return reader.rows(text.replace("{messages}", _MESSAGES if texts else ""), Span, **bound)


class Parent(Enum):
    """What is wrong with a span's parent."""

    MISSING = "parent not in the lake"
    CIRCLE = "parents form a circle"


@dataclass(frozen=True)
class Nested:
    """A span in its place: `depth` under its root, seconds since the trace began. `fault` says why
    a span that names a parent stands at the root."""

    span: Span
    depth: int
    offset_s: float
    fault: Parent | None = None


def nested(spans: list[Span]) -> list[Nested]:
    """All spans, each once, in the order of a waterfall.

    A span without a parent is a root. So is one whose parent is not here, and the oldest of spans
    that are each other's parents in a circle.
    """
    if not spans:
        return []
    by_id: dict[str, Span] = {}
    for span in spans:
        by_id.setdefault(span.span_id, span)
    roots = _roots(spans, by_id)
    below: dict[str, list[Span]] = {}
    for span in spans:
        if id(span) not in roots:
            below.setdefault(span.parent_span_id or "", []).append(span)
    began = min(span.time for span in spans)
    placed: list[Nested] = []
    todo = [(span, 0) for span in reversed(spans) if id(span) in roots]
    while todo:
        span, depth = todo.pop()
        placed.append(Nested(span, depth, (span.time - began).total_seconds(), roots.get(id(span))))
        # Spans may share an id, as of a client and its server: the first has the children.
        if by_id[span.span_id] is span:
            todo += [(child, depth + 1) for child in reversed(below.get(span.span_id, []))]
    return placed


def _roots(spans: list[Span], by_id: dict[str, Span]) -> dict[int, Parent | None]:
    """The spans that stand at the root, by their identity, with what is wrong with their parent."""
    roots: dict[int, Parent | None] = {}
    settled: set[int] = set()
    for span in spans:
        path: dict[int, Span] = {}
        step = span
        while id(step) not in settled and id(step) not in path:
            path[id(step)] = step
            parent = by_id.get(step.parent_span_id or "")
            if parent is None:
                roots[id(step)] = Parent.MISSING if step.parent_span_id else None
                break
            step = parent
        else:
            if id(step) in path:
                members = [*path.values()]
                circle = members[[*path].index(id(step)) :]
                roots[id(min(circle, key=lambda member: member.time))] = Parent.CIRCLE
        settled |= path.keys()
    return roots
