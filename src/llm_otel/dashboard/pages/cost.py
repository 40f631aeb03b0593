"""Cost: what moved it, the month and its budgets, and whatever it can be split by."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.budgets import budgets_table
from llm_otel.dashboard.components.cards import figure_card, figures, flat, notice, switch
from llm_otel.dashboard.components.moves import deeper, moves_card, why
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.costs import LEAST
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import Reader, cost, months, optimise
from llm_otel.lake.queries.cost import Costs, Split
from llm_otel.lake.queries.drivers import CAUSES
from llm_otel.lake.queries.filters import COLUMNS, NONE, Filter
from llm_otel.lake.queries.months import BudgetUse, Months
from llm_otel.lake.queries.uncounted import WHY

_LABELS: Final = {
    "model": "Model",
    "tenant_id": "Tenant",
    "feature": "Feature",
    "user": "User",
    "provider": "Provider",
    "service": "Service",
    "release": "Release",
    "agent": "Agent",
}
_DAY_S: Final = 86_400
# More hours than these are drawn as days, more days as weeks.
_MOST_BARS: Final = 2_500
_PERIODS: Final = {"hour": "Hourly", "day": "Daily", "week": "Weekly"}
_LISTED: Final = 100
_WEEK: Final = timedelta(days=7)


def _by(context: Context) -> str:
    key = context.state.get("by")
    return key if key.startswith(cost.TAG) else context.state.choice("by", _LABELS)


def _per(context: Context) -> str:
    days = context.filter.length.total_seconds() / _DAY_S
    usual = "hour" if days <= 2 else "day" if days <= 60 else "week"
    period = context.state.get("per") if context.state.get("per") in cost.PERIODS else usual
    wider = [*cost.PERIODS][[*cost.PERIODS].index(period) :]
    length = context.filter.length.total_seconds()
    return next((per for per in wider if length / cost.PERIODS[per] <= _MOST_BARS), wider[-1])


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        by = _by(context)
        self.costs = Lazy(lambda: cost.costs(context.reader(), by, _per(context)))
        self.months = Lazy(lambda: Months(context.lake, context.filter, context.now))
        self.budgets = Lazy(lambda: _budget_uses(context))
        self.savings = Lazy(lambda: _find_savings(context))


def _find_savings(context: Context) -> optimise.Savings:
    """Of the last seven days of the window at most: a longer look finds the same things."""
    window = context.filter
    recent = window.over(max(window.since, window.until - _WEEK), window.until)
    return optimise.savings(Reader(context.lake, recent, timedelta()), context.price)


def _budget_uses(context: Context) -> list[BudgetUse]:
    """A budget is of all that its tenant or feature spends, whatever else the page asks for."""
    everything = Filter(context.filter.since, context.filter.until)
    months_ = Months(context.lake, everything, context.now, attributed=True)
    uses = months_.budgets(context.budgets)
    keys = {"tenant_id": context.filter.tenant_id, "feature": context.filter.feature}
    return [use for use in uses if not keys.get(use.scope) or use.key in keys[use.scope]]


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "costs": lambda: _costs(context, data),
        "budgets": lambda: budgets_table(context, data.budgets()),
        "unpriced": lambda: Table(
            "Calls whose cost is unknown or incomplete",
            (
                word("Model", lambda r: r.model),
                word("Provider", lambda r: r.provider),
                word("Cost is", lambda r: r.status, tone=lambda _: "warn"),
                Column(
                    "Known cost",
                    lambda r: r.cost_usd,
                    formats.money,
                    least=lambda r: r.status in LEAST,
                ),
                Column("Calls", lambda r: r.calls, formats.count),
                Column("Tokens", lambda r: r.tokens, formats.count),
            ),
            data.costs().unpriced,
            about="Unpriced and unknown is not zero: the true cost is higher than the sums above. "
            "Give models without a price one in the setting prices.",
        ),
        "uncounted": lambda: Table(
            "Metrics of cost that are not counted",
            (
                word("Service", lambda r: r.service or NONE),
                word("Metric", lambda r: r.metric),
                Column("Samples", lambda r: r.samples, formats.count),
                word("Why", lambda _: WHY),
            ),
            data.costs().uncounted,
        ),
    }


def _costs(context: Context, data: _Data) -> Table:
    costs, by = data.costs(), _by(context)
    total = sum(row.cost_usd or 0 for row in costs.splits)
    moves = {move.key: move for move in costs.moves.by("name")} if costs.moves.causes() else {}
    paces = data.months().by(by) if by in months.DIMENSIONS else {}

    def share(row: Split) -> float | None:
        return row.cost_usd / total if total and row.cost_usd is not None else None

    def mostly(row: Split) -> str | None:
        move = moves.get(row.name or NONE)
        return why(move) if move else None

    def projected(row: Split) -> float | None:
        month = paces.get(row.name or NONE)
        return month.projection.usd if month else None

    columns = [
        word(_label(by), lambda r: r.name or NONE, link=lambda r: _deeper(context, by, r)),
        replace(common.cost_column(bar=True), link=lambda r: _traces(context, by, r)),
        Column("Share", share, formats.share),
        Column("Change", _change, formats.signed, tone=_tone),
        word("Mostly by", mostly),
        Column("Projected month", projected, formats.money, least=lambda r: r.unpriced),
        Column("Requests", lambda r: r.requests, formats.count),
        Column("Tokens", lambda r: r.tokens, formats.count),
        Column("Per call", _per_call, formats.money, least=lambda r: r.unpriced),
        common.unpriced_column(),
    ]
    if not paces:
        columns = [column for column in columns if column.name != "Projected month"]
    return Table(
        f"Cost by {_label(by).lower()}",
        tuple(columns),
        costs.splits[:_LISTED],
        about="A name looks into it, its cost opens the traces behind it. "
        "Change is against the window of the same length before.",
    )


def _label(by: str) -> str:
    return f"Tag {by.removeprefix(cost.TAG)}" if by.startswith(cost.TAG) else _LABELS[by]


def _change(row: Split) -> float | None:
    return change(row.cost_usd, row.before_usd)


def _tone(row: Split) -> str:
    moved = _change(row)
    return "" if moved is None or abs(moved) < 0.1 else "bad" if moved > 0 else "good"


def _per_call(row: Split) -> float | None:
    return row.cost_usd / row.requests if row.requests and row.cost_usd is not None else None


def _only(by: str, row: Split) -> dict[str, str]:
    """What narrows an address to a row."""
    if by.startswith(cost.TAG):
        return {"tag": f"{by.removeprefix(cost.TAG)}={row.name}"}
    return {by: row.name or NONE}


def _deeper(context: Context, by: str, row: Split) -> str:
    [(name, value)] = _only(by, row).items()
    return deeper(context, name, value)


def _traces(context: Context, by: str, row: Split) -> str:
    return context.there("/traces", sort="cost", **_only(by, row))


def _plots(context: Context, data: _Data) -> Charts:
    return {"cost": lambda: _spendings(context, data.costs())}


def _spendings(context: Context, data: Costs) -> Chart:
    line, by = common.times(context, data.spendings, cost.PERIODS[_per(context)]), _by(context)
    total = sum(row.cost_usd or 0 for row in data.splits)
    return Chart(
        f"Cost by {_label(by).lower()}",
        charts.stacked_by(line, data.spendings, "cost_usd", "usd", cost.OTHERS),
        f"{formats.cost(total, sum(row.unpriced for row in data.splits))} in all",
        line.about,
        to=context.there("/traces", sort="cost"),
        by=by if by in COLUMNS else "",
        rest=cost.OTHERS,
        step_s=line.step_s,
    )


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    by = _by(context)
    return flat(
        [
            common.unknown_choice(context, "per", cost.PERIODS),
            None if by.startswith(cost.TAG) else common.unknown_choice(context, "by", _LABELS),
            common.unknown_choice(context, "cause", CAUSES),
            common.part(
                context, "The costs", lambda: _spent(context, data, data.costs(), tables, plots)
            ),
        ]
    )


def _spent(context: Context, data: _Data, costs: Costs, tables: Tables, plots: Charts) -> list[Any]:
    by, per = _by(context), _per(context)
    options = {**_LABELS, **{f"{cost.TAG}{key}": f"#{key}" for key in costs.tag_keys}}
    splits = {name: (context.here(by=key), key == by) for key, name in options.items()}
    periods = {_PERIODS[key]: (context.here(per=key), key == per) for key in cost.PERIODS}
    total = sum(row.cost_usd or 0 for row in costs.splits)
    before = sum(row.before_usd for row in costs.splits)
    unpriced = sum(row.unpriced for row in costs.splits)
    return [
        common.source_notice(
            context, costs.metered, costs.request_counts.requests, costs.request_counts.traced
        ),
        _unpriced_notice(costs, unpriced),
        common.part(
            context,
            "The figures",
            lambda: figures(_cards(context, data, total, unpriced)),
        ),
        common.part(
            context,
            "What moved the cost",
            lambda: moves_card(context, costs.moves, before, total),
        ),
        common.part(context, "The savings", lambda: _savings(context, data.savings())),
        common.draw(
            context,
            plots,
            "cost",
            [switch("Split by", splits), switch("Sum by", periods)],
            tall=True,
        ),
        common.show(context, tables, "costs"),
        common.show(context, tables, "budgets") if context.budgets else _no_budgets(),
        common.show(context, tables, "unpriced") if costs.unpriced else None,
        common.show(context, tables, "uncounted") if costs.uncounted else None,
    ]


def _no_budgets() -> Any:
    return h.p(class_="muted")[
        "No budgets are set. In llm-otel.yaml, from which llm-otel serve reads them, write for "
        "example ",
        h.code["budgets: {total: 500, tenants: {acme: 100}}"],
        ": USD for a calendar month.",
    ]


def _savings(context: Context, savings: optimise.Savings) -> Any:
    prompts = f"{formats.number_of(savings.bloated, 'prompt')} that read ten times what they write"
    parts = [
        f"{formats.money(usd)} {what}"
        for usd, what in (
            (savings.failed_usd, "went into calls that failed"),
            (savings.bloated_usd, f"into {prompts}"),
            (savings.caching_usd, "at least is what caching repeated prefixes would save"),
        )
        if usd
    ]
    if not parts:
        return None
    days = min(context.filter.length, _WEEK)
    span = "In the last 7 days" if days == _WEEK else "In this window"
    link = h.a(href=context.there("/optimise"))["See what can be saved"]
    return notice([f"{span}: {'; '.join(parts)}. ", link])


def _cards(context: Context, data: _Data, total: float, unpriced: int) -> list[Any]:
    costs = data.costs()
    before = sum(row.before_usd for row in costs.splits)
    requests = sum(row.requests for row in costs.splits)
    tokens = sum(row.tokens for row in costs.splits)
    return [
        figure_card(
            "Cost",
            formats.cost(total, unpriced),
            change=change(total, before),
            good=-1,
            note=f"{formats.money(before)} before" if before else "nothing before",
        ),
        common.part(context, "The month", lambda: _month(data.months())),
        _pace(context, costs, total, unpriced),
        figure_card(
            "Per call",
            formats.cost(total / requests if requests else None, unpriced),
            note=formats.number_of(requests, "call"),
        ),
        figure_card(
            "Per million tokens",
            formats.cost(total / tokens * 1e6 if tokens else None, unpriced),
            note=formats.number_of(tokens, "token"),
        ),
    ]


def _month(all_months: Months) -> Any:
    """The same figure as on the overview, in digests, alerts and Grafana."""
    month = all_months.total()
    if month is None:
        return figure_card("Projected month", formats.NOTHING, note="nothing spent yet")
    projection = month.projection
    return figure_card(
        "Projected month",
        formats.cost(projection.usd, month.unpriced),
        note=f"{formats.money(projection.spent)} so far, the rest at the mean of "
        f"{projection.basis_words}",
    )


def _pace(context: Context, data: Costs, total: float, unpriced: int) -> Any:
    """The mean of the days that have calls, each as long as its part in the window; of the hours
    where the window is shorter than a day."""
    window, day = context.filter, timedelta(days=1)
    if window.length < day:
        hours = window.length / timedelta(hours=1)
        return figure_card(
            "Per hour", formats.cost(total / hours, unpriced), note=f"mean of {hours:.3g} hours"
        )
    parts = [min(start + day, window.until) - max(start, window.since) for start in data.days]
    days = sum(parts, timedelta()) / day
    return figure_card(
        "Per day",
        formats.cost(total / days if days > 0 else None, unpriced),
        note="mean of one day" if days == 1 else f"mean of the {days:.3g} days with calls",
    )


def _unpriced_notice(data: Costs, unpriced: int) -> Any:
    if not unpriced:
        return None
    names = dict.fromkeys(str(row.model) for row in data.unpriced if row.status in LEAST)
    models = f" ({', '.join([*names][:3])})" if names else ""
    return notice(
        f"The cost of {formats.count(unpriced)} calls is unknown or incomplete{models}: "
        "the sums here are the least that was spent.",
        "warn",
    )


PAGE = Page("/cost", "Cost", "Where the money goes", _Data, _tables, _plots, _show)
