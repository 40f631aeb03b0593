"""What each metric series has counted so far, and so what a new point of it adds.

Cumulative points give their difference to the point before; a series that starts again (another
start time, or a lower value) counts from 0. Delta points count as they are. A point that is not
newer than the last one of its series is a resend and adds nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from llm_otel.lake.decode.values import text

# A process that ran this long before the lake began, and before its first point, is not counted
# from its own beginning: what it did before is not the lake's.
_BEFORE: Final = 3600 * 10**9
_FORGOTTEN: Final = 31 * 86400 * 10**9


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
        arrived: When the points came that are asked about next (ns).
        lost_before: What is remembered of processes that began before this (ns) was lost: the
            first point of one may have counted already, and adds nothing.
    """

    def __init__(self, created: int) -> None:
        self.created = self.arrived = created
        self.lost_before = 0
        # Time of the point, what it held, when it came.
        self._last: dict[str, tuple[int, Amount, int]] = {}

    def gain(
        self, identity: list[Any], start: int, time: int, amount: Amount, *, cumulative: bool
    ) -> Amount | None:
        """What the point at `time` (ns) adds to what is known; None where that is nothing."""
        if not cumulative:
            return self._newer(_key([identity, "delta"]), time, amount)
        key = _key([identity, start])
        last = self._last.get(key)
        if last is None:
            self._last[key] = (time, amount, self.arrived)
            # What is imported is often older than the lake, and begins with its process.
            young = start >= self.created - _BEFORE or time - start <= _BEFORE
            return amount if young and start >= self.lost_before else None
        if time <= last[0]:
            return None
        self._last[key] = (time, amount, self.arrived)
        return amount.minus(last[1]) or amount

    def _newer(self, key: str, time: int, amount: Amount) -> Amount | None:
        last = self._last.get(key)
        if last is not None and time <= last[0]:
            return None
        self._last[key] = (time, Amount(0.0), self.arrived)
        return amount

    def copy(self) -> Series:
        """The same state, to be moved on by itself."""
        other = Series(self.created)
        other.arrived, other.lost_before = self.arrived, self.lost_before
        other._last = dict(self._last)
        return other

    def dump(self) -> list[Any]:
        """The state as JSON can hold it; series of which nothing came for a month are left out."""
        newest = max((arrived for _, _, arrived in self._last.values()), default=0)
        return [
            [key, time, amount.sum, amount.count, amount.buckets, arrived]
            for key, (time, amount, arrived) in self._last.items()
            if arrived > newest - _FORGOTTEN
        ]

    def load(self, dumped: list[Any]) -> None:
        """Continue from what `dump` gave."""
        self._last = {
            key: (time, Amount(total, count, tuple(buckets)), arrived)
            for key, time, total, count, buckets, arrived in dumped
        }


def _key(identity: list[Any]) -> str:
    return hashlib.blake2b(text(identity).encode("utf-8", "replace"), digest_size=12).hexdigest()
