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
_HOUR: Final = 3600 * 10**9


@dataclass
class _Hour:
    """What came in one hour: `newest` is the latest time of a point (ns), `marks` are hashes."""

    newest: int = 0
    marks: set[int] = field(default_factory=set)


class Resends:
    """Remembers the points of the last hours.

    Attributes:
        forgotten: Up to this time (ns) a point may have been counted and forgotten since.
    """

    def __init__(self) -> None:
        self.forgotten = 0
        self._hours: dict[int, _Hour] = {}

    def is_new(self, mark: int, time: int, arrived: int) -> bool:
        """Whether a point was not counted yet; from now on it is.

        Args:
            mark: A hash of all of the point, with its series.
            time: Of the point, in ns.
            arrived: When it came, in ns.
        """
        if time <= self.forgotten or any(mark in hour.marks for hour in self._hours.values()):
            return False
        hour = self._hours.setdefault(arrived // _HOUR, _Hour())
        hour.newest = max(hour.newest, time)
        hour.marks.add(mark)
        return True

    def forget(self) -> None:
        """Drop the oldest hours beyond what is kept; at least one stays."""
        while len(self._hours) > 1 and (len(self._hours) > _HOURS or self._size() > _MOST_MARKS):
            oldest = self._hours.pop(next(iter(self._hours)))
            self.forgotten = max(self.forgotten, oldest.newest)

    def copy(self) -> Resends:
        """The same state, to be moved on by itself."""
        other = Resends()
        other.forgotten = self.forgotten
        other._hours = {at: _Hour(each.newest, set(each.marks)) for at, each in self._hours.items()}
        return other

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        hours = [
            [at, hour.newest, base64.b64encode(array("Q", hour.marks).tobytes()).decode()]
            for at, hour in self._hours.items()
        ]
        return [self.forgotten, hours]

    def load(self, dumped: list[Any]) -> None:
        """Continue from what `dump` gave."""
        self.forgotten, hours = dumped
        self._hours = {
            at: _Hour(newest, set(array("Q", base64.b64decode(marks))))
            for at, newest, marks in hours
        }

    def _size(self) -> int:
        return sum(len(hour.marks) for hour in self._hours.values())
