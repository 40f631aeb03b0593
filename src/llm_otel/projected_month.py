"""What a calendar month will have cost: one definition for pages, digests, panels and alerts.

It is the month to date, and the rest of the month at the mean pace of the last seven days; while
there are fewer days, of those there are. Days and months are UTC. `promql` is the same for
Prometheus, whose tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PACE: Final = timedelta(days=7)
PACE_WINDOW: Final = f"{PACE.days}d"
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
        left: How much of the month is left.
    """

    spent: float
    pace: float
    basis: timedelta
    left: timedelta

    @property
    def usd(self) -> float:
        """USD of the whole month."""
        return self.spent + self.pace * (self.left / _DAY)

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
    known = [(time, usd) for time, usd in costs if time < until]
    if not known:
        return None
    begins, ends = month_of(until)
    since = max(_whole_hour(until - PACE), min(time for time, _ in known))
    # Less than an hour says nothing about a month.
    basis = max(until - since, _HOUR)
    recent = sum(usd for time, usd in known if time >= since)
    spent = sum(usd for time, usd in known if time >= begins)
    return Projection(spent, recent / (basis / _DAY), basis, ends - until)


def promql(month_to_date: str, hourly: str, by: str) -> str:
    """`Projection.usd` as PromQL.

    Args:
        month_to_date: The series of what was spent in the month, by `by`.
        hourly: The series whose sample is what was spent in the hour before it; may have labels
            beside `by`.
        by: Labels, with commas.
    """
    # A sample stands for the hour before it, so the first one is of an hour before its time.
    age = f"time() + 3600 - min by ({by}) (min_over_time(timestamp({hourly})[{PACE_WINDOW}:1h]))"
    days = f"clamp(({age}) / 86400, 1 / 24, {PACE.days})"
    left = "days_in_month() + 1 - day_of_month() - hour() / 24 - minute() / 1440"
    return (
        f"{month_to_date}\n+ on ({by})\n"
        f"sum by ({by}) (sum_over_time({hourly}[{PACE_WINDOW}]))\n"
        f"/ on ({by}) {days}\n* scalar({left})"
    )


def _whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
