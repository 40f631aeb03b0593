"""Everything about one trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from llm_otel.lake.decode.names import CALLS
from llm_otel.lake.queries import marks
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader


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


@dataclass(frozen=True)
class _Start:
    trace_id: str
    time: datetime


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
        rows = reader.rows(_WHEN, _Start, trace=trace_id)
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
