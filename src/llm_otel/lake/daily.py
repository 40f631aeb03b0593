"""What was found out about a day of the lake, for as long as the files that it is of stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Final, Generic, TypeVar

# The files of one state of the lake: table -> day -> files.
Files = Mapping[str, Mapping[date, list[str]]]

DAY: Final = timedelta(days=1)

Found = TypeVar("Found")


class Daily(Generic[Found]):
    """One finding for each day.

    Args:
        tables: Names of those of which it is.
    """

    def __init__(self, *tables: str) -> None:
        self._tables = tables
        self._kept: dict[date, tuple[list[str], Found]] = {}

    def of(
        self, files: Files, day: date, around: Iterable[date], find: Callable[[], Found]
    ) -> Found:
        """The finding about a day: found again when the files of the days `around` change."""
        state = [f for each in around for name in self._tables for f in files[name].get(each, ())]
        kept = self._kept.get(day)
        if kept is None or kept[0] != state:
            kept = self._kept[day] = (state, find())
        return kept[1]


def within(table: Mapping[date, list[str]], first: date | None, last: date | None) -> list[date]:
    """The days of a table from `first` to `last`, both included; None: without a limit."""
    return [
        day for day in table if (first is None or day >= first) and (last is None or day <= last)
    ]
