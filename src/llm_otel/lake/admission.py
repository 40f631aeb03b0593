"""Which records of a request are taken: those with valid ids and a time that the lake keeps.

A record of the year 2099 or of 1970 would be stored where no page looks, or deleted at the next
round of the retention. It is refused instead, with the reason, and the records beside it are taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from llm_otel.lake.decode import LOGS, METRICS, TRACES
from llm_otel.lake.decode.spans import acceptable

# No telemetry is older. An earlier time comes from a clock that was never set, or is no time in ns.
_EARLIEST: Final = datetime(2010, 1, 1, tzinfo=timezone.utc)
# Clocks differ, and so do time zones that were taken for UTC.
AHEAD: Final = timedelta(days=1)

_NO_ID: Final = "id or start time"
_EARLY: Final = "time too long ago"
_LATE: Final = "time in the future"
_REASONS: Final = {
    _NO_ID: "with no valid trace id, span id or start time (16 and 8 bytes, not all zero, and "
    "nanoseconds since 1970)",
    _EARLY: "older than what is kept here, which begins at {oldest}",
    _LATE: "more than a day ahead of this clock ({now}): set the sender's clock, and send "
    "nanoseconds since 1970",
}
_NOUNS: Final = {TRACES: "spans", METRICS: "data points", LOGS: "log records"}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Window:
    """The times that are taken, from `oldest` to `newest` (ns), both included."""

    oldest: int
    newest: int
    now: int


@dataclass(frozen=True)
class Admission:
    """What became of a request.

    Attributes:
        request: The request without the records that are refused.
        refusals: How many were refused, by kind.
        reason: How many and why, for the sender; empty where nothing was refused.
    """

    request: Any
    refusals: Counter[str]
    reason: str


def window(now: int, days: int | None) -> Window:
    """The times that a lake takes at `now` (ns) that keeps `days` days; None: all."""
    oldest = _nanoseconds(_EARLIEST)
    if days is not None:
        today = (_EPOCH + timedelta(microseconds=now // 1000)).date()
        first = datetime.combine(
            today - timedelta(days=days - 1), datetime.min.time(), timezone.utc
        )
        oldest = max(oldest, _nanoseconds(first))
    return Window(oldest, now + AHEAD // timedelta(microseconds=1) * 1000, now)


def admit(signal: int, request: Any, window: Window) -> Admission:
    """Sort the records of a request; the request itself stays as it is."""
    fault = _FAULTS[signal]
    refusals = Counter(
        kind
        for records in _lists(signal, request)
        for record in records
        if (kind := fault(record, window)) is not None
    )
    if not refusals:
        return Admission(request, refusals, "")
    remainder = type(request)()
    remainder.CopyFrom(request)
    for records in _lists(signal, remainder):
        good = [record for record in records if fault(record, window) is None]
        if len(good) < len(records):
            copies = [type(record).FromString(record.SerializeToString()) for record in good]
            del records[:]
            records.extend(copies)
    noun = _NOUNS[signal]
    times = {"oldest": _utc(window.oldest), "now": _utc(window.now)}
    reasons = (f"{n} {_REASONS[kind].format(**times)}" for kind, n in refusals.items())
    return Admission(remainder, refusals, f"refused {noun}: {'; '.join(reasons)}")


def _span(span: Any, window: Window) -> str | None:
    start = span.start_time_unix_nano
    if not acceptable(span):
        return _NO_ID
    return None if window.oldest <= start <= window.newest else _outside(start, window)


def _point(point: Any, window: Window) -> str | None:
    return _outside(point.time_unix_nano, window)


def _log(record: Any, window: Window) -> str | None:
    time = record.time_unix_nano or record.observed_time_unix_nano
    return _outside(time, window) if time else None


_FAULTS: Final[dict[int, Callable[[Any, Window], str | None]]] = {
    TRACES: _span,
    METRICS: _point,
    LOGS: _log,
}


def _outside(time: int, window: Window) -> str | None:
    if time > window.newest:
        return _LATE
    return _EARLY if time < window.oldest else None


def _lists(signal: int, request: Any) -> Iterator[Any]:
    """The lists of records in a request."""
    if signal == TRACES:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                yield scope.spans
    elif signal == LOGS:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                yield scope.log_records
    else:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    form = metric.WhichOneof("data")
                    if form is not None:
                        yield getattr(metric, form).data_points


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _utc(time: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=time // 1000):%Y-%m-%d %H:%M UTC}"
