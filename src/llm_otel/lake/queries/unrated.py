"""Answers that nobody rated yet: what a person is shown next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader

# The newest are most often enough: only where they are not, older calls are read.
_REACHES: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
# Many calls may be of one trace.
_READ: Final = 500

_UNRATED: Final = """
    SELECT time, trace_id, span_id, response_id, service_name, model, feature, tenant_id
    FROM {calls}
    WHERE time < $until AND status = 'ok' AND operation <> 'embeddings' AND trace_id IS NOT NULL
        AND (span_id IN (
            SELECT span_id FROM spans WHERE output_messages IS NOT NULL
            UNION ALL SELECT span_id FROM messages WHERE output_messages IS NOT NULL
        )) = $captured AND NOT list_contains($skip, trace_id)
        AND trace_id NOT IN (SELECT trace_id FROM scores
            WHERE evaluation = $evaluation AND trace_id IS NOT NULL)
    ORDER BY time DESC, span_id LIMIT $read
"""
_RATED: Final = """
    SELECT count(DISTINCT trace_id)::BIGINT AS rated FROM scores
    WHERE evaluation = $evaluation AND time >= $since
"""


@dataclass(frozen=True)
class Answer:
    """The last call of a trace."""

    time: datetime
    trace_id: str
    span_id: str
    response_id: str | None
    service_name: str | None
    model: str | None
    feature: str | None
    tenant_id: str | None


@dataclass(frozen=True)
class _Rated:
    rated: int


def unrated(
    lake: Connects,
    selection: Filter,
    now: datetime,
    evaluation: str,
    skip: Sequence[str],
    place: int,
) -> Answer | None:
    """The answer at a place in the queue: those whose messages were captured first, then newest.

    Args:
        lake, selection: Where to read, and which calls count.
        now: UTC, without a zone. Ratings count that came after the window, too.
        evaluation: The name that ratings have.
        skip: Traces that are rated, though the lake may not have it yet.
        place: How many to pass by.

    Returns:
        None: so many there are not.
    """
    bound = {"evaluation": evaluation, "skip": list(skip), "read": _READ}
    before = 0
    for captured in (True, False):
        answers: dict[str, Answer] = {}
        for reach in (*(each for each in _REACHES if each < selection.length), selection.length):
            reader = _until_now(lake, selection, selection.until - reach, now)
            answers = {}
            for row in reader.rows(
                _UNRATED, Answer, captured=captured, until=selection.until, **bound
            ):
                answers.setdefault(row.trace_id, row)
            if len(answers) > place - before:
                return [*answers.values()][place - before]
        before += len(answers)
    return None


def rated(lake: Connects, selection: Filter, now: datetime, evaluation: str) -> int:
    """How many traces have a rating that was given since the window began."""
    reader = _until_now(lake, selection, selection.since, now)
    return reader.one(_RATED, _Rated, evaluation=evaluation, since=selection.since).rated


def _until_now(lake: Connects, selection: Filter, since: datetime, now: datetime) -> Reader:
    return Reader(lake, selection.over(since, max(selection.until, now)), timedelta())
