"""The calendar month by what it can be split by, and its budgets: spent and projected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from llm_otel import projected_month
from llm_otel.lake.queries import usage
from llm_otel.lake.queries.filters import HOUR, NONE, Filter
from llm_otel.lake.queries.reader import Connects, Reader
from llm_otel.monthly_budgets import ANY, Budgets, used_up
from llm_otel.projected_month import Projection

# What a month is known by -> its column.
DIMENSIONS: Final = {
    "model": "model",
    "tenant_id": "tenant_id",
    "feature": "feature",
    "provider": "provider",
    "service": "service_name",
}
_WEEK: Final = timedelta(days=7)

_SPENT: Final = """
    SELECT time, model, tenant_id, feature, provider, service_name AS service,
        coalesce(sum(cost_usd), 0) AS cost_usd, coalesce(sum(unpriced), 0)::BIGINT AS unpriced
    FROM usage GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class _Spent:
    """What was spent from `time` on: in an hour of the last days, in a day before."""

    time: datetime
    model: str | None
    tenant_id: str | None
    feature: str | None
    provider: str | None
    service: str | None
    cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Month:
    """One value's calendar month; `unpriced`: how many calls that it is projected from have a cost
    that is unknown or known in part."""

    projection: Projection
    unpriced: int


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What of a budget is used in this calendar month (UTC).

    Attributes:
        scope: `total`, `tenant_id` or `feature`.
        key: Whose; empty for `total`.
        limit: USD.
        month: Spent and projected; None where nothing was.
        ends: When the limit is reached at the month's pace, or now where it was already; None: not
            in this month.
    """

    scope: str
    key: str
    limit: float
    month: Month | None
    ends: datetime | None

    @property
    def share(self) -> float:
        """The part of the limit that is spent."""
        return self.month.projection.spent / self.limit if self.month else 0.0

    @property
    def projected_share(self) -> float:
        """The part of the limit that the month is projected to spend."""
        return self.month.projection.usd / self.limit if self.month else 0.0


class Months:
    """The month of `now` of the calls that a filter lets through, whatever its window is.

    Args:
        lake: Where to read.
        selection: Which calls count.
        now: UTC, without a zone.
        attributed: Whether `unpriced` is wanted by tenant or feature, which takes longer.
    """

    def __init__(
        self, lake: Connects, selection: Filter, now: datetime, *, attributed: bool = False
    ) -> None:
        self._now = now
        midnight = datetime.combine(now.date(), time())
        # By the hour only where a part of a day is asked about, as of `overview.bill`.
        windows = (
            (projected_month.window(now), midnight - _WEEK, 24 * HOUR),
            (midnight - _WEEK, now, HOUR),
        )
        self._spent: list[_Spent] = []
        for since, until, bucket_s in windows:
            reader = Reader(lake, selection.over(since, until), timedelta())
            usage.keep_window(reader, bucket_s=bucket_s, attributed=attributed)
            self._spent += reader.rows(_SPENT, _Spent)

    def total(self) -> Month | None:
        """Of everything; None where nothing is known."""
        return self._month(self._spent)

    def by(self, dimension: str) -> dict[str, Month]:
        """By the values of a key of `DIMENSIONS`; `none` where it does not say."""
        rows: dict[str, list[_Spent]] = defaultdict(list)
        for row in self._spent:
            rows[getattr(row, dimension) or NONE].append(row)
        months = {key: self._month(values) for key, values in rows.items()}
        return {key: month for key, month in months.items() if month is not None}

    def budgets(self, limits: Budgets) -> list[BudgetUse]:
        """The use of each budget, the one that will be fullest first."""
        uses = [*self._of_total(limits), *self._of_scopes(limits)]
        return sorted(uses, key=lambda use: (-use.projected_share, use.key))

    def _of_total(self, limits: Budgets) -> Iterator[BudgetUse]:
        if limits.total:
            yield self._use("total", "", limits.total, self.total())

    def _of_scopes(self, limits: Budgets) -> Iterator[BudgetUse]:
        for scope, budgets in (("tenant_id", limits.tenants), ("feature", limits.features)):
            if not budgets:
                continue
            months = self.by(scope)
            for key in {**months, **dict.fromkeys(each for each in budgets if each != ANY)}:
                limit = budgets.get(key, None if key == NONE else budgets.get(ANY))
                if limit:
                    yield self._use(scope, key, limit, months.get(key))

    def _use(self, scope: str, key: str, limit: float, month: Month | None) -> BudgetUse:
        ends = used_up(month.projection, limit, self._now) if month else None
        return BudgetUse(scope, key, limit, month, ends)

    def _month(self, rows: list[_Spent]) -> Month | None:
        projection = projected_month.project(((row.time, row.cost_usd) for row in rows), self._now)
        if projection is None:
            return None
        begins, _ = projected_month.month_of(self._now)
        since = min(self._now - projected_month.PACE, begins)
        return Month(projection, sum(row.unpriced for row in rows if row.time >= since))
