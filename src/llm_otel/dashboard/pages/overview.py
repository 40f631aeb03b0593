"""Overview: how much, how well, how fast, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.components.cards import chart_card, figure_card, figures, grid
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context, Page
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import overview
from llm_otel.lake.queries.durations import NOTHING
from llm_otel.lake.queries.overview import Bill, ModelRow, Overview
from llm_otel.lake.queries.statistics import wilson

# More than this is bad wherever it is; less only where it is more than elsewhere, chance apart.
_ERRORS_BAD: Final = 0.03


@dataclass(frozen=True)
class _Data:
    seen: Overview
    bill: Bill


def _read(context: Context) -> _Data:
    return _Data(
        overview.overview(context.reader()),
        overview.bill(context.lake, context.filter, context.now),
    )


def _tables(context: Context, data: _Data) -> dict[str, Table]:
    latency = data.seen.model_latency

    def p95(row: ModelRow) -> float | None:
        return latency.get(row.model, NOTHING).p95

    def error_tone(row: ModelRow) -> str:
        interval = wilson(row.errors, row.requests)
        if interval is None:
            return ""
        unlike = interval.low > (data.seen.now.error_rate or 0)
        return "bad" if unlike or interval.value > _ERRORS_BAD else ""

    return {
        "models": Table(
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
                common.unpriced_column(shown=False),
            ),
            data.seen.models,
        )
    }


def _show(context: Context, data: _Data, tables: dict[str, Table]) -> list[Any]:
    seen, points = data.seen, data.seen.points
    return [
        common.from_spans_notice(context, seen.metered),
        figures(_cards(data)),
        grid(
            [
                _requests(seen),
                _latency(seen),
                chart_card(
                    "Tokens",
                    charts.lines(
                        [p.time for p in points],
                        {
                            "in": [p.input_tokens for p in points],
                            "out": [p.output_tokens for p in points],
                        },
                        "count",
                        fill=True,
                    ),
                    f"{formats.count(seen.now.input_tokens)} in, "
                    f"{formats.count(seen.now.output_tokens)} out",
                ),
                chart_card(
                    "Cost",
                    charts.bars(
                        [p.time for p in points], {"cost": [p.cost_usd for p in points]}, "usd"
                    ),
                    f"{formats.cost(seen.now.cost_usd, seen.now.unpriced)} in all",
                ),
            ]
        ),
        common.show(context, tables, "models"),
    ]


def _cards(data: _Data) -> list[Any]:
    seen, bill, points = data.seen, data.bill, data.seen.points
    now, before = seen.now, seen.before
    return [
        figure_card(
            "Requests",
            formats.count(now.requests),
            change=change(now.requests, before.requests),
            note="in this window",
            spark=[p.requests for p in points],
        ),
        figure_card(
            "Error rate",
            formats.share(now.error_rate),
            change=change(now.error_rate, before.error_rate),
            good=-1,
            note=f"{formats.count(now.errors)} errors",
            spark=[p.error_rate for p in points],
        ),
        figure_card(
            "P95 latency",
            formats.seconds(seen.latency.p95),
            change=change(seen.latency.p95, seen.latency_before.p95),
            good=-1,
            note=f"median {formats.seconds(seen.latency.p50)}",
            spark=[p.p95 for p in seen.latency_points],
        ),
        figure_card(
            "Cost",
            formats.cost(now.cost_usd, now.unpriced),
            change=change(now.cost_usd, before.cost_usd),
            good=-1,
            note=formats.missing(now.unpriced) or f"{formats.money(now.cost_per_call)} a call",
            spark=[p.cost_usd for p in points],
        ),
        figure_card(
            "Cost today",
            formats.cost(bill.today, bill.today_unpriced),
            # A day that has not begun yet is not a cheap one.
            change=change(bill.today or None, bill.today_last_week),
            good=-1,
            note=f"{formats.money(bill.today_last_week)} by now a week ago",
        ),
        figure_card(
            "Per month",
            formats.cost(bill.month, bill.month_unpriced),
            change=change(bill.month or None, bill.month_last_week),
            good=-1,
            note="at the pace of the last 24 hours",
        ),
    ]


def _requests(seen: Overview) -> Any:
    xs = [p.time for p in seen.points]
    series = {
        "answered": [p.requests - p.errors for p in seen.points],
        "failed": [p.errors for p in seen.points],
    }
    figure = charts.bars(xs, series, "count", (charts.PALETTE[0], charts.BAD))
    says = f"{formats.count(seen.now.requests)}, of which {formats.count(seen.now.errors)} failed"
    return chart_card("Requests", figure, says)


def _latency(seen: Overview) -> Any:
    points = seen.latency_points
    series = {
        name: [getattr(p, name.lower()) for p in points] for name in ("P50", "P90", "P95", "P99")
    }
    says = f"median {formats.seconds(seen.latency.p50)}, P99 {formats.seconds(seen.latency.p99)}"
    return chart_card("Latency", charts.lines([p.time for p in points], series, "s"), says)


PAGE = Page("/", "Overview", "How much, how well, how fast, for how much", _read, _tables, _show)
