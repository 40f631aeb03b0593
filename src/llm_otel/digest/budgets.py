"""What of the month's budgets is used, and what the month will have used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from llm_otel.digest.daily_usage import Cells
from llm_otel.digest.model import NONE, BudgetUse, Period
from llm_otel.monthly_budgets import ANY, Budgets
from llm_otel.projected_month import Projection


def uses(cells: Cells, of: Period, limits: Budgets) -> Iterator[BudgetUse]:
    """The use of each budget in the calendar month (UTC) of the period's last day, the fullest
    first."""

    def use(scope: str, key: str, limit: float, month: Projection | None) -> BudgetUse:
        if month is None:
            return BudgetUse(scope, key, limit, 0.0, 0.0, "")
        return BudgetUse(scope, key, limit, month.spent, month.usd, month.basis_words)

    budget_uses = [use("total", "", limits.total, cells.month(of.until))] if limits.total else []
    first = (of.until - timedelta(days=1)).replace(day=1)
    for scope, budgets in (("tenant_id", limits.tenants), ("feature", limits.features)):
        spent, months = cells.within(first, of.until).costs(scope), cells.months(scope, of.until)
        for key in {**spent, **dict.fromkeys(k for k in budgets if k != ANY)}:
            limit = budgets.get(key, None if key == NONE else budgets.get(ANY))
            if limit:
                budget_uses.append(use(scope, key, limit, months.get(key)))
    yield from sorted(budget_uses, key=lambda each: -each.projected / each.limit)
