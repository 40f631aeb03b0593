"""What was said in traces, in a line each; their scores; and sessions read as conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries import dialogue, marks
from llm_otel.lake.queries.reader import Reader

_NEAR: Final = timedelta(hours=1)
_MOST_TURNS: Final = 200

# What was said first and last; of the spans, and of events that came apart from them.
_TEXTS: Final = """
    SELECT trace_id, arg_min(input_messages, time) AS question,
        arg_max(output_messages, time) AS answer
    FROM (
        SELECT trace_id, time, input_messages, output_messages FROM spans
        WHERE trace_id IN (SELECT unnest($ids)) AND time BETWEEN $first AND $last
        UNION ALL
        SELECT trace_id, time, input_messages, output_messages FROM messages
        WHERE trace_id IN (SELECT unnest($ids)) AND time BETWEEN $first AND $last
    ) WHERE input_messages IS NOT NULL OR output_messages IS NOT NULL GROUP BY trace_id
"""
_SCORED: Final = """
    SELECT trace_id, evaluation, avg(score) AS score FROM scores
    WHERE trace_id IN (SELECT unnest($ids)) AND time >= $first AND score IS NOT NULL
    GROUP BY ALL ORDER BY evaluation
"""
_TURNS: Final = """
    SELECT trace_id, min(time) AS time, count(*) AS calls, sum(cost_usd) AS cost_usd,
        count(*) FILTER ({unpriced}) AS unpriced,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))::BIGINT AS tokens,
        date_diff('microsecond', min(time), max(time + to_microseconds(
            (coalesce(duration_s, 0) * 1000000)::BIGINT))) / 1000000 AS duration_s,
        any_value(error_type) FILTER (status <> 'ok') AS error_type,
        bool_or(status <> 'ok') AS failed, any_value("user") AS "user",
        any_value(tenant_id) AS tenant_id
    FROM {calls} GROUP BY trace_id ORDER BY time DESC LIMIT $most
""".replace("{unpriced}", marks.UNPRICED)
_SUMS: Final = """
    SELECT count(DISTINCT trace_id) AS traces,
        count(DISTINCT trace_id) FILTER (status <> 'ok') AS failed, count(*) AS calls,
        sum(cost_usd) AS cost_usd, count(*) FILTER ({unpriced}) AS unpriced,
        coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0)::BIGINT AS tokens,
        min(time) AS first,
        max(time + to_microseconds((coalesce(duration_s, 0) * 1000000)::BIGINT)) AS last
    FROM {calls}
""".replace("{unpriced}", marks.UNPRICED)
_TOOLS: Final = """
    SELECT trace_id, list(name ORDER BY time) AS names FROM spans
    WHERE trace_id IN (SELECT unnest($ids)) AND time BETWEEN $first AND $last
        AND operation = 'execute_tool'
    GROUP BY trace_id
"""


@dataclass(frozen=True)
class Exchange:
    """What was asked first in a trace, and what was answered last; None where nothing was
    captured."""

    question: str | None
    answer: str | None


NOTHING: Final = Exchange(None, None)


@dataclass(frozen=True)
class _Exchange:
    trace_id: str
    question: str | None
    answer: str | None


@dataclass(frozen=True)
class _Scored:
    trace_id: str
    evaluation: str
    score: float


@dataclass(frozen=True)
class _Tools:
    trace_id: str
    names: list[str]


@dataclass(frozen=True)
class Call:
    """The calls of one trace of a session, in sum; see `Turn`."""

    trace_id: str
    time: datetime
    calls: int
    cost_usd: float | None
    unpriced: int
    tokens: int
    duration_s: float | None
    error_type: str | None
    failed: bool
    user: str | None
    tenant_id: str | None


@dataclass(frozen=True)
class Turn:
    """One trace of a session.

    Attributes:
        sums: Its calls.
        texts: What was asked and answered, if it was captured.
        tools: The names of the tools that were used, in order.
        scores: Evaluation → mean score.
    """

    sums: Call
    texts: Exchange
    tools: list[str]
    scores: dict[str, float]


def exchanges(reader: Reader, times: dict[str, datetime]) -> dict[str, Exchange]:
    """What was said in traces.

    Args:
        reader: Of a window around them.
        times: A time in each, by its id.
    """
    rows = reader.rows(_TEXTS, _Exchange, **_bounds(times)) if times else []
    return {row.trace_id: Exchange(_last(row.question, "user"), _last(row.answer)) for row in rows}


def scored(reader: Reader, times: dict[str, datetime]) -> dict[str, dict[str, float]]:
    """The mean scores of traces by evaluation; arguments as of `exchanges`."""
    scores: dict[str, dict[str, float]] = {}
    bounds = _bounds(times)
    bounds.pop("last", None)
    for row in reader.rows(_SCORED, _Scored, **bounds) if times else []:
        scores.setdefault(row.trace_id, {})[row.evaluation] = row.score
    return scores


@dataclass(frozen=True)
class Sums:
    """All of a session: its traces, and those of them that failed; calls, USD, tokens; when it
    began and ended. The cost of `unpriced` calls is unknown."""

    traces: int
    failed: int
    calls: int
    cost_usd: float | None
    unpriced: int
    tokens: int
    first: datetime | None
    last: datetime | None


def sums(reader: Reader) -> Sums:
    """Of the session that the reader's filter names."""
    return reader.one(_SUMS, Sums)


def turns(reader: Reader) -> list[Turn]:
    """The newest traces of a session, oldest first; the reader's filter names it."""
    calls = reader.rows(_TURNS, Call, most=_MOST_TURNS)[::-1]
    times = {row.trace_id: row.time for row in calls}
    if not times:
        return []
    words, scores = exchanges(reader, times), scored(reader, times)
    tools = {row.trace_id: row.names for row in reader.rows(_TOOLS, _Tools, **_bounds(times))}
    return [
        Turn(
            row,
            words.get(row.trace_id, NOTHING),
            tools.get(row.trace_id, []),
            scores.get(row.trace_id, {}),
        )
        for row in calls
    ]


def _bounds(times: dict[str, datetime]) -> dict[str, object]:
    if not times:
        return {}
    return {
        "ids": [*times],
        "first": min(times.values()) - _NEAR,
        "last": max(times.values()) + _NEAR,
    }


def _last(text: str | None, role: str = "") -> str | None:
    """The text of the last message; of that role where there is one."""
    messages: Sequence[tuple[str, str]] = dialogue.messages(text)
    of_role = [message for message in messages if message[0] == role] or messages
    return of_role[-1][1].strip() or None if of_role else None
