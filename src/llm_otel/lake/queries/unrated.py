"""Answers that nobody rated yet: what a person is shown next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries.reader import Connects, Reader

# The newest are most often enough: only where they are not, older calls are read.
_REACHES: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
# Many calls may be of one trace.
_READ: Final = 500

# `prefix_hash` says that the input was captured.
_UNRATED: Final = """
    SELECT time, trace_id, span_id, response_id, service_name, model, feature, tenant_id
    FROM {calls}
    WHERE status = 'ok' AND operation <> 'embeddings' AND trace_id IS NOT NULL
        AND (prefix_hash IS NOT NULL) = $captured AND NOT list_contains($done, trace_id)
        AND trace_id NOT IN (SELECT trace_id FROM scores
            WHERE evaluation = $evaluation AND trace_id IS NOT NULL)
    ORDER BY time DESC, span_id LIMIT $read
"""
_RATED: Final = """
    SELECT count(DISTINCT trace_id)::BIGINT AS rated FROM {scores} WHERE evaluation = $evaluation
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
    lake: Connects, reader: Reader, evaluation: str, done: Sequence[str], place: int
) -> Answer | None:
    """The answer at a place in the queue: those whose messages were captured first, then newest.

    Args:
        lake, reader: Where to read, and which calls count.
        evaluation: The name that ratings have.
        done: Traces that are rated, though the lake may not have it yet.
        place: How many to pass by.

    Returns:
        None: so many there are not.
    """
    bound = {"evaluation": evaluation, "done": list(done), "read": _READ}
    whole, passed = reader.filter, 0
    for captured in (True, False):
        answers: dict[str, Answer] = {}
        for reach in (*(each for each in _REACHES if each < whole.length), whole.length):
            window = whole.over(whole.until - reach, whole.until)
            # Who rates, rates later: scores of any time after the call count.
            near = reader if reach == whole.length else Reader(lake, window, timedelta())
            answers = {}
            for row in near.rows(_UNRATED, Answer, captured=captured, **bound):
                answers.setdefault(row.trace_id, row)
            if len(answers) > place - passed:
                return [*answers.values()][place - passed]
        passed += len(answers)
    return None


def rated(reader: Reader, evaluation: str) -> int:
    """How many traces of the window have a rating."""
    return reader.one(_RATED, _Rated, evaluation=evaluation).rated
