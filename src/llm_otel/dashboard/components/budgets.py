"""The budgets of the month as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import formats
from llm_otel.dashboard.components.moves import deeper
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context
from llm_otel.lake.queries.months import BudgetUse

_SCOPES: Final = {"total": "everything", "tenant_id": "tenant", "feature": "feature"}
# From this part of the limit on a month's end is near it.
_NEAR: Final = 0.8


def budgets_table(context: Context, uses: Sequence[BudgetUse]) -> Table:
    """What of each budget is spent, and when it will be used up.

    Args:
        context: The request.
        uses: Of the calendar month, the one that will be fullest first.
    """

    def name(use: BudgetUse) -> str:
        return f"{_SCOPES[use.scope]} {use.key}".rstrip()

    def link(use: BudgetUse) -> str | None:
        return deeper(context, use.scope, use.key) if use.key else None

    def lacking(use: BudgetUse) -> int:
        return use.month.unpriced if use.month else 0

    def tone(use: BudgetUse) -> str:
        return "bad" if use.ends else "warn" if use.projected_share >= _NEAR else "good"

    def ends(use: BudgetUse) -> str:
        if use.ends is None:
            return "lasts the month"
        return "used up" if use.share >= 1 else f"used up on {formats.date(use.ends)}"

    return Table(
        "Budgets of this month",
        (
            word("Budget", name, link=link),
            Column(
                "Spent",
                lambda u: u.month.projection.spent if u.month else 0.0,
                formats.money,
                least=lacking,
            ),
            Column("Of", lambda u: u.limit, formats.money),
            Column("Used", lambda u: u.share, formats.share, bar=True, least=lacking),
            Column(
                "Projected",
                lambda u: u.month.projection.usd if u.month else None,
                formats.money,
                least=lacking,
            ),
            Column("Projected of limit", lambda u: u.projected_share, formats.share, least=lacking),
            word("At this pace", ends, tone=tone),
        ),
        uses,
        "Nothing was spent on any budget that matches these filters.",
        "USD of the calendar month (UTC), of all that a tenant or feature spends; the rest of the "
        "month at the mean pace of the last 7 days.",
    )
