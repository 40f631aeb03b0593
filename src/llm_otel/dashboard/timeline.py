"""The stretches of time that a chart draws: which there are, and which lie in the window whole.

A stretch without calls is a stretch: it is drawn as nothing, not left out. The first and the last
one are often cut by the window, so their sums are smaller than the others' for no other reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

# Where DuckDB's `time_bucket` counts stretches from.
_ORIGIN: Final = datetime(2000, 1, 3)
_WORDS: Final[Mapping[int, str]] = {60: "minute", 3600: "hour", 86_400: "day", 604_800: "week"}


def stretch(seconds: int) -> str:
    """A length as people say it: an hour, 6 hours, a week."""
    size, word = next(
        (size, word) for size, word in sorted(_WORDS.items(), reverse=True) if seconds % size == 0
    )
    number = seconds // size
    if number == 1:
        return f"{'an' if word == 'hour' else 'a'} {word}"
    return f"{number} {word}s"


@dataclass(frozen=True)
class Timeline:
    """The stretches of `step_s` seconds in the window `since` ≤ time < `until`, of which there are
    rows from the first to the last of `times`."""

    since: datetime
    until: datetime
    step_s: int
    times: tuple[datetime, ...]

    @cached_property
    def starts(self) -> list[datetime]:
        """When each stretch begins, oldest first."""
        if not self.times:
            return []
        step = timedelta(seconds=self.step_s)
        first = _ORIGIN + (min(self.times) - _ORIGIN) // step * step
        return [first + step * n for n in range((max(self.times) - first) // step + 1)]

    @cached_property
    def whole(self) -> list[bool]:
        """Of each stretch, whether all of it lies in the window."""
        step = timedelta(seconds=self.step_s)
        return [self.since <= start and start + step <= self.until for start in self.starts]

    @property
    def about(self) -> str:
        """What a bar stands for, in words."""
        part = "" if all(self.whole) else "; hatched where the window has only a part of it"
        return f"A bar is {stretch(self.step_s)}, UTC{part}"

    @property
    def about_points(self) -> str:
        """What a point of a line stands for, in words."""
        return f"A point is {stretch(self.step_s)}, UTC"

    def sums(self, rows: Sequence[Any], value: Callable[[Any], float | None]) -> list[float]:
        """Of each stretch the sum in its row, 0 where there is no row."""
        return [number or 0 for number in self.values(rows, value)]

    def values(self, rows: Sequence[Any], value: Callable[[Any], Any]) -> list[float | None]:
        """Of each stretch the value of its row, None where there is no row."""
        by_time = {row.time: value(row) for row in rows}
        return [by_time.get(start) for start in self.starts]

    def trend(self, values: Sequence[float | None]) -> list[float | None]:
        """Only the values of whole stretches: half of an hour is no fall."""
        return [value for value, whole in zip(values, self.whole) if whole]


def timeline(since: datetime, until: datetime, step_s: int, rows: Sequence[Any]) -> Timeline:
    """Of rows that have a `time`."""
    return Timeline(since, until, step_s, tuple(row.time for row in rows))
