"""What a digest holds: numbers and findings, no words of a language but names and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

from llm_otel.digest.anomalies import Anomaly
from llm_otel.lake.queries.drivers import Change

Unit = Literal["usd", "count", "share", "seconds", "score"]

# What a change of the cost is broken down by; columns of the lake.
DIMENSIONS: Final = ("model", "tenant_id", "feature")

NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a digest is about, and the one before that it is compared with (UTC).

    Attributes:
        kind: `day` or `week`.
        since, until: The days from `since` up to and without `until`.
        before: Where the period begins that it is compared with, which is as long: for a day the
            same weekday a week before, or the day before where the lake is younger.
    """

    kind: str
    since: date
    until: date
    before: date

    @property
    def before_until(self) -> date:
        """Where the period that it is compared with ends."""
        return self.before + (self.until - self.since)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number beside that of the period before; None where it cannot be told.

    Attributes:
        name, unit: What it is of.
        now, before: Of the two periods.
        unpriced: How many calls a cost lacks now, wholly or in part: at least that was spent.
        basis: What an estimate is made of, in words.
    """

    name: str
    unit: Unit
    now: float | None
    before: float | None
    unpriced: int = 0
    basis: str = ""

    @property
    def change(self) -> float | None:
        """The relative change; None where there is nothing to compare with."""
        if self.now is None or not self.before:
            return None
        return self.now / self.before - 1


@dataclass(frozen=True, slots=True)
class Errors:
    """How many calls failed with one class of error."""

    error_type: str
    now: int
    before: int


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What of a budget is used in the calendar month of the period's last day.

    Attributes:
        scope: `total`, `tenant_id` or `feature`.
        key: Whose; empty for `total`.
        limit, used: USD.
        projected: USD at the month's end, as `llm_otel.projected_month` has it.
        basis: What the pace of the rest of the month is the mean of, in words.
    """

    scope: str
    key: str
    limit: float
    used: float
    projected: float
    basis: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was unusual: `key` is empty for the whole.

    Attributes:
        name, unit: Of the figure.
        dimension, key: Of which model, tenant or feature.
        anomaly: The strangest day.
        days: On how many days of the period it was unusual.
    """

    name: str
    unit: Unit
    dimension: str
    key: str
    anomaly: Anomaly
    days: int = 1


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do.

    Attributes:
        what: A sentence that is complete without the rest.
        saves: USD that the period would have cost less; None where that cannot be told.
    """

    what: str
    saves: float | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """A day or a week in numbers.

    Attributes:
        period: Which one.
        made: When the lake was read (UTC).
        figures: The numbers, the most important first; the first is the cost.
        causes: USD of the cost's change by cause (`drivers.explained`).
        drivers: The largest changes by dimension.
        errors: By class, the most frequent first.
        budgets: The fullest first.
        anomalies: What got worse first, by how many times it is what was expected.
        actions: The most rewarding first.
        daily: Cost of each of the last days in USD by model, for the picture.
        dashboard: Where the pages of the dashboard are, without a slash at the end; empty: nothing
            is linked.
    """

    period: Period
    made: datetime
    figures: tuple[Figure, ...]
    causes: Mapping[str, float] = field(default_factory=dict)
    drivers: Mapping[str, tuple[Change[str], ...]] = field(default_factory=dict)
    errors: tuple[Errors, ...] = ()
    budgets: tuple[BudgetUse, ...] = ()
    anomalies: tuple[Finding, ...] = ()
    actions: tuple[Action, ...] = ()
    daily: Mapping[date, Mapping[str, float]] = field(default_factory=dict)
    dashboard: str = ""

    @property
    def cost(self) -> Figure:
        """What it cost."""
        return self.figures[0]

    def figure(self, name: str) -> Figure:
        """The figure called `name`.

        Raises:
            KeyError: There is none.
        """
        for each in self.figures:
            if each.name == name:
                return each
        raise KeyError(name)
