"""What each metric series has counted so far, and so what a new point of it adds.

Cumulative points give their difference to the point before; a series that starts again (another
start time, or a lower value) counts from 0. A point that is older than the last one of its series
is in it already, or was sent again, and adds nothing; one that is older and higher came before a
restart, and adds what the restart would have lost. Delta points count as they are, each once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from llm_otel.lake.decode.resends import Resends
from llm_otel.lake.decode.values import text

# A process that ran this long before the lake began, and before its first point, is not counted
# from its own beginning: what it did before is not the lake's.
_BEFORE: Final = 3600 * 10**9
_DAY: Final = 86400 * 10**9
_KEPT_DAYS: Final = 31
FORMAT: Final = "2"
# The sums of one process differ by so little, relatively, by rounding alone.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Amount:
    """What a point holds, or a gain: sum of values, how many, how many by bucket."""

    sum: float
    count: int | None = None
    buckets: tuple[int, ...] = ()

    def minus(self, other: Amount) -> Amount | None:
        """The gain since `other`; None where the series began again.

        Without buckets where those of one do not fit the other's.
        """
        alike = len(self.buckets) == len(other.buckets)
        pairs = list(zip(self.buckets, other.buckets)) if alike else []
        gain = self.sum - other.sum
        if self.count is None:
            lower = gain < 0 and -gain > _ROUNDING * abs(other.sum)
            return None if lower else Amount(max(gain, 0.0))
        if self.count < (other.count or 0) or any(new < old for new, old in pairs):
            return None
        return Amount(gain, self.count - (other.count or 0), tuple(a - b for a, b in pairs))


class _Last(NamedTuple):
    """Of a series: the time (ns) and value of its last point, the number of the day on which it
    came, and the time and value of the last point before it fell."""

    time: int
    amount: Amount
    day: int
    before_fall: tuple[int, Amount] | None = None

    def dump(self, key: str) -> list[Any]:
        """As JSON can hold it, with the key of its series."""
        before_fall = _listed(*self.before_fall) if self.before_fall else []
        return [key, *_listed(self.time, self.amount), self.day, *before_fall]

    @staticmethod
    def load(dumped: list[Any]) -> tuple[str, _Last]:
        """The key and the rest of what `dump` gave."""
        key, *point, day = dumped[:6]
        before_fall = _point(*dumped[6:]) if dumped[6:] else None
        return key, _Last(*_point(*point), day, before_fall)


class Series:
    """The last point of every series.

    Attributes:
        created: When the lake began (ns).
        lost_before: What is remembered of processes that began before this (ns), and of delta
            points from before it, may be lost: they may have counted already, and add nothing.
    """

    def __init__(self, created: int) -> None:
        self.created = self._arrived = created
        self.lost_before = 0
        self._last: dict[str, _Last] = {}
        self._resends = Resends()
        # Days on which points came are numbered: a jump of the clock is one day, however far.
        self._day = self._number = 0

    def arrive(self, received: int) -> None:
        """The points that are asked about next came at `received` (ns)."""
        self._arrived = received
        if received // _DAY != self._day:
            self._day = received // _DAY
            self._number += 1

    def gain(
        self, identity: list[Any], start: int, time: int, amount: Amount, *, cumulative: bool
    ) -> Amount | None:
        """What the point at `time` (ns) adds to what is known; None where that is nothing."""
        if not cumulative:
            return amount if self._is_new(identity, start, time, amount) else None
        key = _digest([identity, start]).hex()
        last = self._last.get(key)
        if last is None:
            self._last[key] = _Last(time, amount, self._number)
            return amount if self._is_of_lake(start, time) else None
        if time <= last.time:
            return self._late(key, last, start, time, amount)
        gain = amount.minus(last.amount)
        before_fall = last.before_fall if gain is not None else (last.time, last.amount)
        self._last[key] = _Last(time, amount, self._number, before_fall)
        return gain or amount

    def _is_of_lake(self, start: int, time: int) -> bool:
        """Whether a series counts from its beginning, by a first point at `time`."""
        # What is imported is often older than the lake, and begins with its process.
        young = start >= self.created - _BEFORE or time - start <= _BEFORE
        return young and start >= self.lost_before

    def _late(self, key: str, last: _Last, start: int, time: int, amount: Amount) -> Amount | None:
        """What a point adds that came after a newer one: something only where the series fell
        between the two, so that the newer one does not hold it."""
        if time == last.time or last.amount.minus(amount) is not None:
            return None
        if last.before_fall is None:
            gain = amount if self._is_of_lake(start, time) else None
        elif time <= last.before_fall[0]:
            return None
        else:
            gain = amount.minus(last.before_fall[1]) or amount
        self._last[key] = last._replace(before_fall=(time, amount))
        return gain

    def _is_new(self, identity: list[Any], start: int, time: int, amount: Amount) -> bool:
        if time < self.lost_before:
            return False
        series = _digest([identity, "delta"]).hex()
        point = [series, start, time, amount.sum, amount.count, amount.buckets]
        mark = int.from_bytes(_digest(point)[:8], "little")
        return self._resends.is_new(series, mark, time, self._arrived)

    def copy(self) -> Series:
        """The same state, to be moved on by itself."""
        other = Series(self.created)
        other._arrived = self._arrived
        other._last = dict(self._last)
        other._resends = self._resends.copy()
        other._day, other._number = self._day, self._number
        other.lost_before = self.lost_before
        return other

    def dump(self) -> list[Any]:
        """The state as JSON can hold it; forgets the series of which nothing came for a month."""
        self._forget()
        cumulative = [last.dump(key) for key, last in self._last.items()]
        days = [self._day, self._number, self.lost_before]
        return [FORMAT, cumulative, self._resends.dump(), days]

    def load(self, dumped: list[Any]) -> None:
        """Continue from what `dump` gave."""
        if dumped and dumped[0] == FORMAT:
            _, cumulative, resends, (self._day, self._number, self.lost_before) = dumped
            self._resends.load(resends)
        else:  # as earlier versions wrote it: the time of arrival in the place of the number
            cumulative = [[*row[:-1], 0] for row in dumped]
        self._last = dict(map(_Last.load, cumulative))

    def _forget(self) -> None:
        self._resends.forget()
        oldest = self._number - _KEPT_DAYS
        old = [key for key, last in self._last.items() if last.day < oldest]
        for key in old:
            self.lost_before = max(self.lost_before, self._last.pop(key).time)


def _listed(time: int, amount: Amount) -> list[Any]:
    """A point as JSON can hold it."""
    return [time, amount.sum, amount.count, amount.buckets]


def _point(time: int, total: float, count: int | None, buckets: list[int]) -> tuple[int, Amount]:
    """What `_listed` gave."""
    return time, Amount(total, count, tuple(buckets))


def _digest(identity: list[Any]) -> bytes:
    return hashlib.blake2b(text(identity).encode(), digest_size=12).digest()
