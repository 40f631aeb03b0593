"""What was found out about a day of the lake, for as long as the files that it is of stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Generic, TypeVar

# The files of one state of the lake: table -> day -> files.
Files = Mapping[str, Mapping[date, list[str]]]

DAY: Final = timedelta(days=1)

Finding = TypeVar("Finding")


# A finding that takes long is used for so many times as long as it took, at most so many seconds,
# before new files are looked into: else a busy lake would do nothing else.
_RATIO: Final = 10
_QUICK_S: Final = 0.25
_STALE_S: Final = 30.0


@dataclass(frozen=True)
class _Cached(Generic[Finding]):
    state: list[str]
    finding: Finding
    until: float


class Daily(Generic[Finding]):
    """One finding for each day.

    Args:
        tables: Names of those of which it is.
    """

    def __init__(self, *tables: str) -> None:
        self._tables = tables
        self._cache: dict[date, _Cached[Finding]] = {}

    def of(
        self, files: Files, day: date, around: Iterable[date], find: Callable[[], Finding]
    ) -> Finding:
        """The finding about a day: found again when the files of the days `around` change, or a
        little later where that takes long."""
        state = [f for each in around for name in self._tables for f in files[name].get(each, ())]
        cached = self._cache.get(day)
        now = time.monotonic()
        if cached is not None and (cached.state == state or now < cached.until):
            return cached.finding
        self._forget(files)
        finding = find()
        took = time.monotonic() - now
        late = min(_RATIO * took, _STALE_S) if took > _QUICK_S else 0.0
        self._cache[day] = _Cached(state, finding, now + took + late)
        return finding

    def drop(self, day: date) -> None:
        """Forget the finding about a day."""
        self._cache.pop(day, None)

    def _forget(self, files: Files) -> None:
        """Drop the findings about days that are no longer kept."""
        for day in [
            each for each in self._cache if not any(each in table for table in files.values())
        ]:
            del self._cache[day]


def within(table: Mapping[date, list[str]], first: date | None, last: date | None) -> list[date]:
    """The days of a table from `first` to `last`, both included; None: without a limit."""
    return [
        day for day in table if (first is None or day >= first) and (last is None or day <= last)
    ]
