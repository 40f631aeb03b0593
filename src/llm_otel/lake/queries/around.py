"""What is known of a trace beside its spans: verdicts on it, and the traces before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader

_LATEST: Final = datetime(2200, 1, 1)


@dataclass(frozen=True)
class Verdict:
    """A score or an outcome of a trace: what was judged, the verdict, whom it is about."""

    time: datetime
    span_id: str | None
    what: str | None
    score: float | None
    label: str | None
    success: bool | None
    value_usd: float | None
    explanation: str | None


_VERDICTS: Final = """
    SELECT time, span_id, evaluation AS what, score, label, NULL::BOOLEAN AS success,
        NULL::DOUBLE AS value_usd, explanation
    FROM scores WHERE trace_id = $trace AND time >= $since
    UNION ALL
    SELECT time, span_id, kind, NULL, NULL, success, value_usd, NULL
    FROM outcomes WHERE trace_id = $trace AND time >= $since
    ORDER BY time
"""


def verdicts(lake: Connects, trace_id: str, began: datetime) -> list[Verdict]:
    """Scores and outcomes of a trace, which may come long after it."""
    reader = Reader(lake, Filter(began, _LATEST), timedelta())
    return reader.rows(_VERDICTS, Verdict, trace=trace_id, since=began)


@dataclass(frozen=True)
class Beside:
    """The traces just before and after one, with a time in each of them."""

    older: str | None
    older_time: datetime | None
    newer: str | None
    newer_time: datetime | None


_BESIDE: Final = """
    SELECT arg_max(trace_id, time) FILTER (time < $first) AS older,
        max(time) FILTER (time < $first) AS older_time,
        arg_min(trace_id, time) FILTER (time > $last) AS newer,
        min(time) FILTER (time > $last) AS newer_time
    FROM {calls} WHERE trace_id <> $trace
"""


def beside(reader: Reader, trace_id: str, first: datetime, last: datetime) -> Beside:
    """The traces just before and after one, of those that the filter lets through."""
    return reader.one(_BESIDE, Beside, trace=trace_id, first=first, last=last)
