"""Cost, calls and tokens of every day by model, tenant and feature: what most of a digest is of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from llm_otel.digest.model import DIMENSIONS, NONE
from llm_otel.lake.queries.drivers import Use
from llm_otel.lake.queries.reader import Reader
from llm_otel.lake.queries.usage import keep_usage
from llm_otel.projected_month import Projection, project

# Eight weeks of weekdays before a week, and the day that completes the first of them.
HISTORY: Final = timedelta(days=8 * 7 + 7)

Key = tuple[str, ...]

_DAILY: Final = """
    SELECT time::DATE AS day, model, tenant_id, feature,
        coalesce(sum(requests), 0)::BIGINT AS calls, coalesce(sum(errors), 0)::BIGINT AS errors,
        coalesce(sum(cost_usd), 0) AS cost, coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
        coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
        coalesce(sum(unpriced), 0)::BIGINT AS unpriced
    FROM usage GROUP BY ALL HAVING calls > 0 OR errors > 0 OR cost > 0
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model did for one feature of one tenant on one day; the cost of `unpriced` calls is
    unknown, or known in part."""

    day: date
    model: str | None
    tenant_id: str | None
    feature: str | None
    calls: int
    errors: int
    cost: float
    input_tokens: int
    output_tokens: int
    unpriced: int

    @property
    def key(self) -> Key:
        """Its place in `DIMENSIONS`; `none` where it does not say."""
        return tuple(getattr(self, name) or NONE for name in DIMENSIONS)

    @property
    def tokens(self) -> int:
        """All that was billed."""
        return self.input_tokens + self.output_tokens


class Cells:
    """The cells of the days of a reader's window."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells = list(cells)

    @classmethod
    def read(cls, reader: Reader) -> Cells:
        """Read them; the window must be long enough for points of a day (12 days)."""
        keep_usage(reader, attributed=True)
        return cls(reader.rows(_DAILY, Cell))

    def within(self, since: date, until: date) -> Cells:
        """Those of the days from `since` up to and without `until`."""
        return Cells(cell for cell in self._cells if since <= cell.day < until)

    def where(self, dimension: str, key: str) -> Cells:
        """Those of one model, tenant or feature."""
        place = DIMENSIONS.index(dimension)
        return Cells(cell for cell in self._cells if cell.key[place] == key)

    def total(self, of: Callable[[Cell], float]) -> float:
        """The sum of something over all cells."""
        return sum(map(of, self._cells))

    def month(self, until: date) -> Projection | None:
        """The cost of the calendar month (UTC) of the day before `until`, projected."""
        return _projected(self.daily(lambda cell: cell.cost), until)

    def months(self, dimension: str, until: date) -> dict[str, Projection]:
        """The same by model, tenant or feature."""
        place = DIMENSIONS.index(dimension)
        daily: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
        for cell in self._cells:
            daily[cell.key[place]][cell.day] += cell.cost
        months = {key: _projected(costs, until) for key, costs in daily.items()}
        return {key: month for key, month in months.items() if month is not None}

    def uses(self) -> dict[Key, Use]:
        """Calls, tokens and cost by model, tenant and feature, over all days."""
        sums: dict[Key, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for cell in self._cells:
            use = sums[cell.key]
            use[0] += cell.calls
            use[1] += cell.tokens
            use[2] += cell.cost
        return {key: Use(*use) for key, use in sums.items()}

    def costs(self, dimension: str) -> dict[str, float]:
        """Cost by model, tenant or feature, the largest first."""
        place, sums = DIMENSIONS.index(dimension), defaultdict[str, float](float)
        for cell in self._cells:
            sums[cell.key[place]] += cell.cost
        return dict(sorted(sums.items(), key=lambda each: -each[1]))

    def daily(self, of: Callable[[Cell], float]) -> dict[date, float]:
        """Sums of something by day; a day without a call between two with calls is 0."""
        sums: dict[date, float] = defaultdict(float)
        for cell in self._cells:
            sums[cell.day] += of(cell)
        if not sums:
            return {}
        first, last = min(sums), max(sums)
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return {day: sums.get(day, 0.0) for day in days}

    def daily_by_model(self) -> Mapping[date, Mapping[str, float]]:
        """Cost of each day by model."""
        costs: dict[date, dict[str, float]] = {day: {} for day in self.daily(lambda _cell: 0.0)}
        for cell in self._cells:
            models, model = costs[cell.day], cell.model or NONE
            models[model] = models.get(model, 0.0) + cell.cost
        return costs


def _projected(daily: Mapping[date, float], until: date) -> Projection | None:
    costs = ((datetime.combine(day, time()), cost) for day, cost in daily.items())
    return project(costs, datetime.combine(until, time()))
