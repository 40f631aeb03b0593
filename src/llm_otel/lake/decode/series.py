"""What each metric series has counted so far, and so what a new point of it adds.

Cumulative points give their difference to the point before; a series that starts again (another
start time, or a lower value) counts from 0; a point that is not newer than the last one of its
series is a resend and adds nothing. Delta points count as they are, each once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from llm_otel.lake.decode.resends import Resends
from llm_otel.lake.decode.values import text

# A process that ran this long before the lake began, and before its first point, is not counted
# from its own beginning: what it did before is not the lake's.
_BEFORE: Final = 3600 * 10**9
_DAY: Final = 86400 * 10**9
_KEPT_DAYS: Final = 31
_FORMAT: Final = "2"


@dataclass(frozen=True)
class Amount:
    """What a point holds, or a gain: sum of values, how many, how many by bucket."""

    sum: float
    count: int | None = None
    buckets: tuple[int, ...] = ()

    def minus(self, other: Amount) -> Amount | None:
        """The gain since `other`; None where the series began again."""
        pairs = list(zip(self.buckets, other.buckets))
        lower = (
            (self.count or 0) < (other.count or 0)
            or any(new < old for new, old in pairs)
            or len(self.buckets) != len(other.buckets)
            or (self.count is None and self.sum < other.sum)
        )
        if lower:
            return None
        count = None if self.count is None else self.count - (other.count or 0)
        return Amount(self.sum - other.sum, count, tuple(new - old for new, old in pairs))


class Series:
    """The last point of every series.

    Attributes:
        created: When the lake began (ns).
    """

    def __init__(self, created: int) -> None:
        self.created = self._arrived = created
        # Time of the point, what it held, the number of the day on which it came.
        self._last: dict[str, tuple[int, Amount, int]] = {}
        self._resends = Resends()
        # Days on which points came are numbered: a jump of the clock is one day, however far.
        self._day = self._number = 0
        # A process that began before this time (ns) may have been counted and forgotten since.
        self._forgotten = 0

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
            point = [identity, start, time, amount.sum, amount.count, amount.buckets]
            mark = int.from_bytes(_digest(point)[:8], "little")
            return amount if self._resends.is_new(mark, time, self._arrived) else None
        key = _digest([identity, start]).hex()
        last = self._last.get(key)
        if last is None:
            self._last[key] = (time, amount, self._number)
            # What is imported is often older than the lake, and begins with its process.
            young = start >= self.created - _BEFORE or time - start <= _BEFORE
            return amount if young and start > self._forgotten else None
        if time <= last[0]:
            return None
        self._last[key] = (time, amount, self._number)
        return amount.minus(last[1]) or amount

    def copy(self) -> Series:
        """The same state, to be moved on by itself."""
        other = Series(self.created)
        other._arrived = self._arrived
        other._last = dict(self._last)
        other._resends = self._resends.copy()
        other._day, other._number = self._day, self._number
        other._forgotten = self._forgotten
        return other

    def dump(self) -> list[Any]:
        """The state as JSON can hold it; forgets the series of which nothing came for a month."""
        self._forget()
        cumulative = [
            [key, time, amount.sum, amount.count, amount.buckets, number]
            for key, (time, amount, number) in self._last.items()
        ]
        days = [self._day, self._number, self._forgotten]
        return [_FORMAT, cumulative, self._resends.dump(), days]

    def load(self, dumped: list[Any]) -> None:
        """Continue from what `dump` gave."""
        if dumped and dumped[0] == _FORMAT:
            _, cumulative, resends, (self._day, self._number, self._forgotten) = dumped
            self._resends.load(resends)
        else:  # as earlier versions wrote it: the time of arrival in the place of the number
            cumulative = [[*row[:-1], 0] for row in dumped]
        self._last = {
            key: (time, Amount(total, count, tuple(buckets)), number)
            for key, time, total, count, buckets, number in cumulative
        }

    def _forget(self) -> None:
        self._resends.forget()
        oldest = self._number - _KEPT_DAYS
        old = [key for key, (_, _, number) in self._last.items() if number < oldest]
        for key in old:
            self._forgotten = max(self._forgotten, self._last.pop(key)[0])


def _digest(identity: list[Any]) -> bytes:
    return hashlib.blake2b(text(identity).encode(), digest_size=12).digest()
