"""What a calendar month will have cost: one definition for pages, digests, panels and alerts.

It is the month to date, and the rest of the month at the mean pace of the last seven days; while
there are fewer days, of those there are. Days and months are UTC. `promql` is the same for
Prometheus; the tests of its rules compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PACE: Final = timedelta(days=7)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
# So far back a cost is looked for: a service that rests at weekends is older than its last week.
REACH: Final = 2 * PACE


@dataclass(frozen=True, slots=True)
class Projection:
    """A month's cost.

    Attributes:
        spent: USD of the month to date.
        pace: USD a day.
        basis: How much time the pace is the mean of.
        remainder: How much of the month is left.
    """

    spent: float
    pace: float
    basis: timedelta
    remainder: timedelta

    @property
    def usd(self) -> float:
        """USD of the whole month."""
        return self.spent + self.pace * (self.remainder / _DAY)

    @property
    def basis_words(self) -> str:
        """What the pace is the mean of, in words: `the last 7 days`, `the 5 hours there are`."""
        if self.basis >= PACE:
            return f"the last {PACE.days} days"
        if self.basis >= 2 * _DAY:
            return f"the {self.basis / _DAY:.0f} days there are"
        hours = max(round(self.basis / _HOUR), 1)
        return f"the {hours} hours there are" if hours > 1 else "the one hour there is"


def month_of(moment: datetime) -> tuple[datetime, datetime]:
    """When the month that `moment` ends begins, and when the next one does: midnight on the first
    still belongs to the month that it ends."""
    last = moment - timedelta(microseconds=1)
    begins = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begins, (begins + 32 * _DAY).replace(day=1)


def window(until: datetime) -> datetime:
    """From when on costs are needed to project the month of `until`."""
    begins, _ = month_of(until)
    return min(begins, _whole_hour(until - REACH))


def project(costs: Iterable[tuple[datetime, float]], until: datetime) -> Projection | None:
    """The month of `until`, from what was spent before it.

    Args:
        costs: When an hour (or a day, where `until` is midnight) begins, and USD spent in it, from
            `window(until)` on. The first of them says since when there is anything.
        until: Now; UTC, without a zone as the times of `costs`.

    Returns:
        None where nothing is known.
    """
    amounts = [(time, usd) for time, usd in costs if time < until]
    if not amounts:
        return None
    begins, ends = month_of(until)
    since = max(_whole_hour(until - PACE), min(time for time, _ in amounts))
    # Less than an hour says nothing about a month.
    basis = max(until - since, _HOUR)
    recent = sum(usd for time, usd in amounts if time >= since)
    spent = sum(usd for time, usd in amounts if time >= begins)
    return Projection(spent, recent / (basis / _DAY), basis, ends - until)


def promql(month_to_date: str, recent: str, days: str) -> str:
    """`Projection.usd` as PromQL, of series that have the same labels.

    Args:
        month_to_date: What was spent in the month.
        recent: What was spent in the last `PACE`.
        days: Of how many days `recent` is: `PACE`, or fewer while there are fewer.
    """
    now = "vector(time())"
    rest = (
        f"days_in_month({now}) + 1 - day_of_month({now}) - hour({now}) / 24 - minute({now}) / 1440"
    )
    return f"{month_to_date}\n+ {recent} / {days}\n* scalar({rest})"


def _whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
