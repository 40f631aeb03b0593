"""Cost: by day or week, and by whatever it can be split by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.cards import figure_card, figures, notice, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import cost
from llm_otel.lake.queries.cost import Costs, Split
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.uncounted import WHY

_LABELS: Final = {
    "model": "Model",
    "tenant_id": "Tenant",
    "feature": "Feature",
    "user": "User",
    "provider": "Provider",
    "service": "Service",
}
_DAY_S: Final = 86_400
# More hours than these are drawn as days, more days as weeks.
_MOST_BARS: Final = 2_500
_PERIODS: Final = {"hour": "Hourly", "day": "Daily", "week": "Weekly"}
_LISTED: Final = 100


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


def _read(context: Context) -> Costs:
    return cost.costs(context.reader(), _by(context), _per(context))


def _tables(context: Context, data: Costs) -> Tables:
    return {
        "costs": lambda: _costs(context, data.costs),
        "budgets": lambda: _budgets(context, data.month()),
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
                    least=lambda r: r.status in common.LEAST,
                ),
                Column("Calls", lambda r: r.calls, formats.count),
                Column("Tokens", lambda r: r.tokens, formats.count),
            ),
            data.costs.unpriced,
            about="Unpriced and unknown is not zero: the true cost is higher than the sums above. "
            "Give models without a price one in `prices:`.",
        ),
        "uncounted": lambda: Table(
            "Metrics of cost that are not counted",
            (
                word("Service", lambda r: r.service or NONE),
                word("Metric", lambda r: r.metric),
                Column("Samples", lambda r: r.samples, formats.count),
                word("Why", lambda _: WHY),
            ),
            data.costs.uncounted,
        ),
    }


def _costs(context: Context, data: Costs, month: Months | None) -> Table:
    total = sum(row.cost_usd or 0 for row in data.splits)
    by = _by(context)
    moves = {change.key: change for change in data.moves.by("name")} if data.moves.causes() else {}
    months = month.by(by) if month is not None and by in months_query.DIMENSIONS else {}

    def share(row: Split) -> float | None:
        return row.cost_usd / total if total and row.cost_usd is not None else None

    def paced(row: Split) -> float | None:
        found = months.get(row.name or NONE)
        return found.projection.usd if found else None

    return Table(
        f"Cost by {_label(by).lower()}",
        (
            word(_label(by), lambda r: r.name or NONE, link=lambda r: _link(context, by, r)),
            replace(common.cost_column(bar=True), link=lambda r: _traces(context, by, r)),
            Column("Share", share, formats.share),
            Column("Change", _change, formats.signed, tone=_tone),
            word("Mostly by", lambda r: _why(moves.get(r.name or NONE))),
            Column("Month at this pace", paced, formats.money, least=lambda r: r.unpriced),
            Column("Requests", lambda r: r.requests, formats.count),
            Column("Tokens", lambda r: r.tokens, formats.count),
            Column("Per call", _per_call, formats.money, least=lambda r: r.unpriced),
            common.unpriced_column(),
        ),
        data.splits[:_LISTED],
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


def _link(context: Context, by: str, row: Split) -> str:
    if by.startswith(cost.TAG):
        return context.here(tag=f"{by.removeprefix(cost.TAG)}={row.name}")
    return context.here(**{by: row.name or NONE})


def _plots(context: Context, data: Costs) -> Charts:
    return {"cost": lambda: _spendings(context, data)}


def _spendings(context: Context, data: Costs) -> Chart:
    line = common.times(context, data.spendings, cost.PERIODS[_per(context)])
    total = sum(row.cost_usd or 0 for row in data.splits)
    return Chart(
        f"Cost by {_label(_by(context)).lower()}",
        charts.stacked_by(line, data.spendings, "cost_usd", "usd", cost.OTHERS),
        f"{formats.cost(total, sum(row.unpriced for row in data.splits))} in all",
        line.about,
    )


def _show(context: Context, data: Costs, tables: Tables, plots: Charts) -> list[Any]:
    by, per = _by(context), _per(context)
    options = {**_LABELS, **{f"{cost.TAG}{key}": f"#{key}" for key in data.tag_keys}}
    splits = {name: (context.here(by=key), key == by) for key, name in options.items()}
    periods = {_PERIODS[key]: (context.here(per=key), key == per) for key in cost.PERIODS}
    total = sum(row.cost_usd or 0 for row in data.splits)
    unpriced = sum(row.unpriced for row in data.splits)
    return [
        common.unknown_choice(context, "per", cost.PERIODS),
        None if by.startswith(cost.TAG) else common.unknown_choice(context, "by", _LABELS),
        common.source_notice(
            context, data.metered, data.request_counts.requests, data.request_counts.traced
        ),
        _unpriced_notice(data, unpriced),
        common.part(
            context, "The figures", lambda: figures(_cards(context, data, total, unpriced))
        ),
        common.draw(
            context,
            plots,
            "cost",
            [switch("Split by", splits), switch("Sum by", periods)],
            tall=True,
        ),
        common.show(context, tables, "costs"),
        common.show(context, tables, "unpriced") if data.unpriced else None,
        common.show(context, tables, "uncounted") if data.uncounted else None,
    ]


def _cards(context: Context, data: Costs, total: float, unpriced: int) -> list[Any]:
    before = sum(row.before_usd for row in data.splits)
    requests = sum(row.requests for row in data.splits)
    tokens = sum(row.tokens for row in data.splits)
    top = data.splits[0] if data.splits else None
    share = (top.cost_usd or 0) / total if top is not None and total else None
    return [
        figure_card(
            "Cost",
            formats.cost(total, unpriced),
            change=change(total, before),
            good=-1,
            note=f"{formats.money(before)} before" if before else "nothing before",
        ),
        _pace(context, data, total, unpriced),
        figure_card(
            "Per call",
            formats.cost(total / requests if requests else None, unpriced),
            note=f"{formats.count(requests)} calls",
        ),
        figure_card(
            "Per million tokens",
            formats.cost(total / tokens * 1e6 if tokens else None, unpriced),
            note=f"{formats.count(tokens)} tokens",
        ),
        figure_card(
            "Greatest part", formats.share(share), note=formats.text(top.name if top else None)
        ),
    ]


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
        note=f"mean of the {days:.3g} days with calls",
    )


def _unpriced_notice(data: Costs, unpriced: int) -> Any:
    if not unpriced:
        return None
    names = dict.fromkeys(str(row.model) for row in data.unpriced if row.status in common.LEAST)
    models = f" ({', '.join([*names][:3])})" if names else ""
    return notice(
        f"The cost of {formats.count(unpriced)} calls is unknown or incomplete{models}: "
        "the sums here are the least that was spent.",
        "warn",
    )


PAGE = Page("/cost", "Cost", "Where the money goes", _read, _tables, _plots, _show)
