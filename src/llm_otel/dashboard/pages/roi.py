"""ROI: what it was worth."""

from __future__ import annotations

from typing import Any

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import figure_card, figures, grid
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.timeline import Timeline
from llm_otel.formats import change
from llm_otel.lake.queries import roi
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.roi import Point, Return, Returns


def _read(context: Context) -> Returns:
    return roi.roi(context.reader())


def _tables(context: Context, data: Returns) -> Tables:
    counts = (
        Column("Outcomes", lambda r: r.outcomes, formats.count),
        Column("Success", lambda r: r.success_rate, formats.share),
        Column("Value", lambda r: r.value_usd, formats.money, bar=True),
    )
    money = (
        common.cost_column(),
        Column(
            "Cost of a success",
            lambda r: r.cost_per_success,
            formats.money,
            least=lambda r: r.unpriced,
        ),
        Column("ROI", lambda r: r.roi, formats.share, tone=_tone),
        common.unpriced_column(),
    )

    def named(title: str, field: str) -> Column:
        return word(
            title,
            lambda r: r.name or NONE,
            link=lambda r: context.here(**{field: r.name or NONE}),
        )

    return {
        "features": lambda: Table(
            "By feature", (named("Feature", "feature"), *counts, *money), data.features
        ),
        "tenants": lambda: Table(
            "By tenant", (named("Tenant", "tenant_id"), *counts, *money), data.tenants
        ),
        "kinds": lambda: Table(
            "By kind of outcome", (word("Kind", lambda r: r.name or NONE), *counts), data.kinds
        ),
    }


def _tone(row: Return) -> str:
    return "" if row.roi is None else "good" if row.roi > 0 else "bad"


def _plots(context: Context, data: Returns) -> Charts:
    now, points = data.now, data.points
    if not now.outcomes:
        return {}
    line = common.times(context, points)
    sums = {
        "value": line.sums(points, lambda p: p.value_usd),
        "cost": line.sums(points, lambda p: p.cost_usd),
    }
    each = {"cost": line.values(points, _cost_of_success)}
    return {
        "value": lambda: Chart(
            "Value and cost",
            charts.bars(line, sums, "usd", stacked=False),
            f"{formats.money(now.value_usd)} for {formats.cost(now.cost_usd, now.unpriced)}",
            line.about,
        ),
        "cost-of-success": lambda: Chart(
            "Cost of a success",
            charts.lines(line, each, "usd"),
            f"{formats.money(now.cost_per_success)} on the whole",
            line.about_points,
        ),
    }


def _show(context: Context, data: Returns, tables: Tables, plots: Charts) -> list[Any]:
    if not data.now.outcomes:
        return [empty.hint("outcomes")]
    line = common.times(context, data.points)
    each = line.values(data.points, _cost_of_success)
    return [
        common.part(context, "The figures", lambda: figures(_cards(data, line, each))),
        grid([common.draw(context, plots, name) for name in plots]),
        common.show(context, tables, "features"),
        common.show(context, tables, "tenants"),
        common.show(context, tables, "kinds"),
    ]


def _cost_of_success(point: Point) -> float | None:
    return point.cost_usd / point.successes if point.successes and point.cost_usd else None


def _cards(data: Returns, line: Timeline, each: list[float | None]) -> list[Any]:
    now, before, points = data.now, data.before, data.points
    return [
        figure_card("ROI", formats.share(now.roi), note="(value − cost) / cost"),
        figure_card(
            "Value",
            formats.money(now.value_usd),
            good=1,
            change=change(now.value_usd, before.value_usd),
            spark=line.trend(line.sums(points, lambda p: p.value_usd)),
        ),
        figure_card(
            "Cost",
            formats.cost(now.cost_usd, now.unpriced),
            good=-1,
            change=change(now.cost_usd, before.cost_usd),
            note=formats.missing(now.unpriced) or "of the features with outcomes",
            spark=line.trend(line.sums(points, lambda p: p.cost_usd)),
        ),
        figure_card(
            "Cost of a success",
            formats.cost(now.cost_per_success, now.unpriced),
            good=-1,
            change=change(now.cost_per_success, before.cost_per_success),
            spark=line.trend(each),
        ),
        figure_card(
            "Success rate",
            formats.share(now.success_rate),
            good=1,
            change=change(now.success_rate, before.success_rate),
            moved=formats.points(now.success_rate, before.success_rate),
            note=f"{formats.count(now.outcomes)} outcomes",
        ),
    ]


PAGE = Page("/roi", "ROI", "What it was worth", _read, _tables, _plots, _show)
