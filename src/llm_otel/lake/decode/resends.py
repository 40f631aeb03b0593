"""Which points of delta metrics were counted already.

A delta point holds a gain, so the same point sent again would count twice. Workers that share one
identity send points of one series in any order, so a point that is not newer than the last one need
not be a resend. A point is a resend when series, start, time and value are all the same.
"""

from __future__ import annotations

import base64
from array import array
from dataclasses import dataclass, field
from typing import Any, Final

# Exporters and queues repeat a request within minutes, after an outage within a day or two. The
# hours are those in which points came, so that a jump of the clock forgets nothing.
_HOURS: Final = 48
_MOST_MARKS: Final = 200_000
_MOST_SERIES: Final = 100_000
_HOUR: Final = 3600 * 10**9


@dataclass
class _Hour:
    """What came in one hour: hashes of the points, and the latest time (ns) of each series."""

    marks: set[int] = field(default_factory=set)
    newest: dict[str, int] = field(default_factory=dict)


class Resends:
    """Remembers the points of the last hours, and of older ones the latest time of each series: a
    point that is not newer may have been counted."""

    def __init__(self) -> None:
        self._hours: dict[int, _Hour] = {}
        self._forgotten: dict[str, int] = {}
        # The latest time of the series that are forgotten whole.
        self._floor = 0

    def is_new(self, series: str, mark: int, time: int, arrived: int) -> bool:
        """Whether a point was not counted yet; from now on it is.

        Args:
            series: A hash of the series.
            mark: A hash of all of the point, with its series.
            time: Of the point, in ns.
            arrived: When it came, in ns.
        """
        if time <= self._forgotten.get(series, self._floor):
            return False
        if any(mark in hour.marks for hour in self._hours.values()):
            return False
        hour = self._hours.setdefault(arrived // _HOUR, _Hour())
        hour.marks.add(mark)
        hour.newest[series] = max(hour.newest.get(series, 0), time)
        return True

    def forget(self) -> None:
        """Drop the oldest hours beyond what is kept; at least one stays."""
        while len(self._hours) > 1 and (len(self._hours) > _HOURS or self._size() > _MOST_MARKS):
            oldest = self._hours.pop(next(iter(self._hours)))
            for series, time in oldest.newest.items():
                # Taken out first: the series that came last stand last.
                self._forgotten[series] = max(self._forgotten.pop(series, 0), time)
        while len(self._forgotten) > _MOST_SERIES:
            self._floor = max(self._floor, self._forgotten.pop(next(iter(self._forgotten))))

    def copy(self) -> Resends:
        """The same state, to be moved on by itself."""
        other = Resends()
        other._hours = {
            at: _Hour(set(hour.marks), dict(hour.newest)) for at, hour in self._hours.items()
        }
        other._forgotten, other._floor = dict(self._forgotten), self._floor
        return other

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        hours = [
            [at, base64.b64encode(array("Q", hour.marks).tobytes()).decode(), hour.newest]
            for at, hour in self._hours.items()
        ]
        return [hours, self._forgotten, self._floor]

    def load(self, dumped: list[Any]) -> None:
        """Continue from what `dump` gave."""
        hours, self._forgotten, self._floor = dumped
        self._hours = {
            at: _Hour(set(array("Q", base64.b64decode(marks))), newest)
            for at, marks, newest in hours
        }

    def _size(self) -> int:
        return sum(len(hour.marks) for hour in self._hours.values())
