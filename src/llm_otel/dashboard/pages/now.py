"""Now: what is on fire, what moved and why, how much, how well, how fast, for how much."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, Final

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.alerts import alerts_card
from llm_otel.dashboard.components.cards import figure_card, figures, grid
from llm_otel.dashboard.components.moves import brief_moves_card
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common, errors
from llm_otel.dashboard.timeline import Timeline
from llm_otel.formats import change
from llm_otel.lake.queries import failures, overview, usage
from llm_otel.lake.queries.durations import NOTHING
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.overview import Bill, Interactions, ModelRow, Overview, Spent, Worth
from llm_otel.lake.queries.statistics import wilson

# How a call ended that was neither answered nor an error of the service.
_UNANSWERED: Final = "refused or cancelled"
# More than this is bad wherever it is; less only where it is more than elsewhere, chance apart.
_ERRORS_BAD: Final = 0.03
_DRAWN_MODELS: Final = 6


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        self.windows = Lazy(lambda: overview.overview(context.reader()))
        self.failures = Lazy(lambda: failures.sums(context.reader()))
        self.week_before = Lazy(lambda: overview.week_before(context.lake, context.filter))
        self.interactions = Lazy(lambda: overview.interactions(context.reader()))
        self.worth = Lazy(lambda: overview.worth(context.reader()))
        self.bill = Lazy(lambda: overview.bill(context.lake, context.filter, context.now))


def _tables(context: Context, data: _Data) -> Tables:
    return {"models": lambda: _models(context, data.windows())}


def _models(context: Context, data: Overview) -> Table:
    latency = data.model_latency

    def p95(row: ModelRow) -> float | None:
        return latency.get(row.model, NOTHING).p95

    def error_tone(row: ModelRow) -> str:
        interval = wilson(row.errors, row.requests)
        if interval is None:
            return ""
        unlike = interval.low > (data.now.error_rate or 0)
        return "bad" if row.errors and (unlike or interval.value > _ERRORS_BAD) else ""

    return Table(
        "Models",
        (
            word("Model", lambda r: r.model, link=lambda r: context.here(model=r.model)),
            word("Provider", lambda r: r.provider),
            Column("Requests", lambda r: r.requests, formats.count, bar=True),
            Column("Error rate", lambda r: r.error_rate, formats.share, tone=error_tone),
            Column("P50", lambda r: latency.get(r.model, NOTHING).p50, formats.seconds),
            Column("P95", p95, formats.seconds),
            Column("Tokens in", lambda r: r.input_tokens, formats.count),
            Column("Tokens out", lambda r: r.output_tokens, formats.count),
            common.cost_column(bar=True),
            Column(
                "Per call", lambda r: r.cost_per_call, formats.money, least=lambda r: r.unpriced
            ),
            common.unpriced_column(on_page=False),
        ),
        data.models,
    )


def _plots(context: Context, data: _Data) -> Charts:
    def over_time(draw: Callable[[Overview, Timeline], Chart]) -> Callable[[], Chart]:
        return lambda: draw(data.windows(), common.times(context, data.windows().points))

    return {
        "errors": lambda: errors.over_time(context, data.failures()),
        "p95-by-model": lambda: _p95_by_model(context, data.windows()),
        "costs": lambda: _cost(context, data.windows(), data.week_before()),
        "requests": over_time(partial(_requests, context)),
        "percentiles": lambda: _latency(context, data.windows()),
        "tokens": over_time(partial(_tokens, context)),
    }


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    return [
        common.part(
            context,
            "The source of the figures",
            lambda: common.source_notice(
                context,
                data.windows().metered,
                data.windows().now.requests,
                data.windows().now.traced,
            ),
        ),
        figures(
            [
                common.part(
                    context,
                    "Figures of the window",
                    lambda: _cards(data.windows(), common.times(context, data.windows().points)),
                ),
                common.part(
                    context, "The interactions", lambda: _interactions(data.interactions())
                ),
                common.part(context, "What came of them", lambda: _worth(data.worth())),
                common.part(context, "Today and the month", lambda: _bill(data.bill())),
            ]
        ),
        grid(
            [
                alerts_card("/alerts", context.state.live),
                common.part(context, "What moved", lambda: _moves(context, data.windows())),
            ]
        ),
        grid([common.draw(context, plots, name) for name in plots]),
        common.show(context, tables, "models"),
    ]


def _cards(data: Overview, line: Timeline) -> list[Any]:
    now, before, points = data.now, data.before, data.points

    def spark(value: Callable[[usage.Point], float | None]) -> list[float | None]:
        return line.trend(line.sums(points, value))

    return [
        figure_card(
            "Requests",
            formats.count(now.requests),
            change=change(now.requests, before.requests),
            note="in this window",
            spark=spark(lambda p: p.requests),
        ),
        figure_card(
            "Error rate",
            formats.share(now.error_rate),
            change=change(now.error_rate, before.error_rate),
            moved=formats.points(now.error_rate, before.error_rate),
            good=-1,
            note=_failures(now),
            spark=line.trend(line.values(points, lambda p: p.error_rate)),
        ),
        figure_card(
            "P95 latency",
            formats.seconds(data.latency.p95),
            change=change(data.latency.p95, data.latency_before.p95),
            good=-1,
            note=f"median {formats.seconds(data.latency.p50)}",
            spark=line.trend(line.values(data.latency_points, lambda p: p.p95)),
        ),
        figure_card(
            "Cost",
            formats.cost(now.cost_usd, now.unpriced),
            change=change(now.cost_usd, before.cost_usd),
            good=-1,
            note=formats.missing(now.unpriced) or f"{formats.money(now.cost_per_call)} a call",
            spark=spark(lambda p: p.cost_usd),
        ),
        figure_card(
            "Tokens",
            formats.count(now.input_tokens + now.output_tokens),
            change=change(
                now.input_tokens + now.output_tokens, before.input_tokens + before.output_tokens
            ),
            note=f"{formats.count(now.input_tokens)} in, {formats.count(now.output_tokens)} out",
            spark=spark(lambda p: p.input_tokens + p.output_tokens),
        ),
    ]


def _failures(now: usage.Totals) -> str:
    others = f", {formats.count(now.unanswered)} {_UNANSWERED}" if now.unanswered else ""
    return f"{formats.count(now.errors)} errors{others}"


def _bill(bill: Bill) -> list[Any]:
    month = bill.month
    basis = f"so far, the rest at the mean of {month.basis_words}" if month else ""
    return [
        figure_card(
            "Cost today",
            formats.cost(bill.today, bill.today_unpriced),
            # A day that has not begun yet is not a cheap one.
            change=change(bill.today or None, bill.today_last_week),
            good=-1,
            note=f"{formats.money(bill.today_last_week)} by now a week ago"
            if bill.today_last_week
            else "nothing by now a week ago",
        ),
        figure_card(
            "Projected month",
            formats.cost(month.usd if month else None, bill.month_unpriced),
            note=f"{formats.money(month.spent)} {basis}" if month else "",
        ),
    ]


def _interactions(counts: Interactions) -> Any:
    failed = counts.failed / counts.traces if counts.traces else None
    sign = "≈ " if counts.roughly else ""
    return figure_card(
        "Interactions",
        f"{sign}{formats.count(counts.traces)}",
        note=f"traces; {formats.share(failed)} had a call that was not answered",
    )


def _worth(counts: Worth) -> list[Any]:
    rate, before = (
        successes / outcomes if outcomes else None
        for successes, outcomes in (
            (counts.successes, counts.outcomes),
            (counts.successes_before, counts.outcomes_before),
        )
    )
    return [
        figure_card(
            "Success",
            formats.share(rate),
            change=change(rate, before),
            moved=formats.points(rate, before),
            good=1,
            note=formats.plural(counts.outcomes, "outcome")
            if counts.outcomes
            else "no outcomes told",
        ),
        figure_card(
            f"Score: {counts.evaluation}" if counts.evaluation else "Scores",
            formats.score(counts.mean),
            change=change(counts.mean, counts.mean_before),
            good=1,
            note=f"mean of {formats.plural(counts.scores, 'score')}"
            if counts.scores
            else "no scores in this window",
        ),
    ]


def _moves(context: Context, data: Overview) -> Any:
    return brief_moves_card(context, data.moves, data.before.cost_usd or 0, data.now.cost_usd or 0)


def _p95_by_model(context: Context, data: Overview) -> Chart:
    sums: dict[str, int] = {}
    for row in data.model_latency_points:
        sums[row.name or NONE] = sums.get(row.name or NONE, 0) + row.calls
    names = sorted(sums, key=lambda name: -sums[name])[:_DRAWN_MODELS]
    line = common.times(context, data.latency_points)
    series = {
        name: line.values(
            [row for row in data.model_latency_points if (row.name or NONE) == name],
            lambda p: p.p95,
        )
        for name in names
    }
    rest = f", the {len(names)} models with most calls" if len(names) < len(sums) else ""
    return Chart(
        "P95 by model",
        charts.lines(line, series, "s"),
        f"P95 of {formats.plural(len(names), 'model')}",
        f"{line.about_points}{rest}",
        to=context.there("/traces", sort="slowest"),
        by="model",
        step_s=line.step_s,
    )


def _requests(context: Context, data: Overview, line: Timeline) -> Chart:
    points = data.points
    series = {
        "answered": line.sums(points, lambda p: max(p.requests - p.errors - p.unanswered, 0)),
        "failed": line.sums(points, lambda p: p.errors),
        _UNANSWERED: line.sums(points, lambda p: p.unanswered),
    }
    nonzero = {name: values for name, values in series.items() if name == "answered" or any(values)}
    colours = {"answered": charts.PALETTE[0], "failed": charts.BAD, _UNANSWERED: charts.REST}
    figure = charts.bars(line, nonzero, "count", [colours[name] for name in nonzero])
    says = f"{formats.count(data.now.requests)}, of which {_failures(data.now)}"
    return Chart(
        "Requests", figure, says, line.about, to=context.there("/traces"), step_s=line.step_s
    )


def _latency(context: Context, data: Overview) -> Chart:
    points = data.latency_points
    line = common.times(context, points)
    series = {
        name: line.values(points, attrgetter(name.lower())) for name in ("P50", "P90", "P95", "P99")
    }
    says = f"median {formats.seconds(data.latency.p50)}, P99 {formats.seconds(data.latency.p99)}"
    return Chart(
        "Latency",
        charts.lines(line, series, "s"),
        says,
        line.about_points,
        to=context.there("/traces", sort="slowest"),
        step_s=line.step_s,
    )


def _tokens(context: Context, data: Overview, line: Timeline) -> Chart:
    series = {
        "in": line.sums(data.points, lambda p: p.input_tokens),
        "out": line.sums(data.points, lambda p: p.output_tokens),
    }
    says = f"{formats.count(data.now.input_tokens)} in, {formats.count(data.now.output_tokens)} out"
    return Chart(
        "Tokens",
        charts.bars(line, series, "count"),
        says,
        line.about,
        to=context.there("/traces", sort="in"),
        step_s=line.step_s,
    )


def _cost(context: Context, data: Overview, earlier: list[Spent]) -> Chart:
    """The window's cost and that of the same hours a week before."""
    line = common.times(context, [*data.points, *earlier])
    series = {
        "now": line.values(data.points, lambda p: p.cost_usd or 0),
        "a week before": line.values(earlier, lambda p: p.cost_usd),
    }
    about = f"{line.about_points}, and the same hours of the week before"
    return Chart(
        "Cost",
        charts.lines(line, series, "usd"),
        f"{formats.cost(data.now.cost_usd, data.now.unpriced)} in all",
        about,
        to=context.there("/traces", sort="cost"),
        step_s=line.step_s,
    )


PAGE = Page("/", "Now", "What is on fire, what moved, and why", _Data, _tables, _plots, _show)
