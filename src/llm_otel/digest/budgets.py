"""What of the month's budgets is used, and where it goes at today's pace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from llm_otel.digest.cells import Cells
from llm_otel.digest.model import BudgetUse, Period
from llm_otel.stack.config import ANY, Budgets


def uses(cells: Cells, of: Period, limits: Budgets) -> Iterator[BudgetUse]:
    """The use of each budget in the calendar month (UTC) of the period's last day, the fullest
    first. Projected is the alert's formula: month to date and what is left of it at the pace of
    the last day."""
    last = of.until - timedelta(days=1)
    first = last.replace(day=1)
    month, yesterday = cells.within(first, of.until), cells.within(last, of.until)
    left = (_next_month(first) - of.until).days

    def use(scope: str, key: str, limit: float, used: float, pace: float) -> BudgetUse:
        return BudgetUse(scope, key, limit, used, used + left * pace)

    found = []
    if limits.total:
        cost, pace = (each.total(lambda cell: cell.cost) for each in (month, yesterday))
        found.append(use("total", "", limits.total, cost, pace))
    for scope, budgets in (("tenant_id", limits.tenants), ("feature", limits.features)):
        spent, paces = month.costs(scope), yesterday.costs(scope)
        for key in {**spent, **dict.fromkeys(k for k in budgets if k != ANY)}:
            limit = budgets.get(key, budgets.get(ANY))
            if limit:
                found.append(use(scope, key, limit, spent.get(key, 0.0), paces.get(key, 0.0)))
    yield from sorted(found, key=lambda each: -each.projected / each.limit)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
