"""Latency: how it is spread, how it moves, and which step takes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.cards import figure_card, figures, grid
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.timeline import Timeline
from llm_otel.formats import change
from llm_otel.lake.queries import latency
from llm_otel.lake.queries.durations import NamedPercentiles
from llm_otel.lake.queries.latency import Latency

_SHOWN: Final = ("P50", "P90", "P95", "P99")


def _read(context: Context) -> Latency:
    return latency.latency(context.reader())


def _tables(context: Context, data: Latency) -> Tables:
    def of_model(row: NamedPercentiles) -> str:
        return context.here(model=row.name)

    def of_span(row: NamedPercentiles) -> str:
        return context.there("/traces", text=row.name, sort="slowest")

    return {
        "spans": lambda: _percentiles("By span name", "Span", data.spans, of_span),
        "models": lambda: _percentiles("By model", "Model", data.models, of_model),
        "first-chunk": lambda: _percentiles(
            "Time to first chunk",
            "Model",
            data.first_chunk,
            of_model,
            "No streamed calls in this window.",
        ),
    }


def _percentiles(
    title: str,
    what: str,
    rows: Sequence[NamedPercentiles],
    link: Callable[[NamedPercentiles], str] | None = None,
    empty: str = "Nothing here in this window.",
) -> Table:
    return Table(
        title,
        (
            word(what, lambda r: r.name, link=link),
            Column("Count", lambda r: r.calls, formats.count),
            Column("P50", lambda r: r.p50, formats.seconds),
            Column("P90", lambda r: r.p90, formats.seconds),
            Column("P95", lambda r: r.p95, formats.seconds, bar=True),
            Column("P99", lambda r: r.p99, formats.seconds),
        ),
        sorted(rows, key=lambda row: -(row.p95 or 0)),
        empty,
    )


def _series(data: Latency, line: Timeline) -> dict[str, list[float | None]]:
    return {name: line.values(data.points, attrgetter(name.lower())) for name in _SHOWN}


def _plots(context: Context, data: Latency) -> Charts:
    says = ", ".join(
        f"{name} {formats.seconds(getattr(data.all, name.lower()))}" for name in _SHOWN
    )

    def over_time() -> Chart:
        line = common.times(context, data.points)
        about = f"Percentiles of all calls. {line.about_points}"
        figure = charts.lines(line, _series(data, line), "s")
        to = context.there("/traces", sort="slowest")
        return Chart("Over time", figure, says, about, to=to, step_s=line.step_s)

    return {
        "durations": lambda: Chart(
            "Distribution", _distribution(context, data), says, "Calls by how long they took"
        ),
        "over-time": over_time,
    }


def _show(context: Context, data: Latency, tables: Tables, plots: Charts) -> list[Any]:
    line = common.times(context, data.points)
    return [
        common.part(
            context, "The figures", lambda: figures(_cards(data, line, _series(data, line)))
        ),
        grid([common.draw(context, plots, name) for name in plots]),
        common.show(context, tables, "spans"),
        grid([common.show(context, tables, "models"), common.show(context, tables, "first-chunk")]),
    ]


def _cards(data: Latency, line: Timeline, series: dict[str, list[float | None]]) -> list[Any]:
    cards = [
        figure_card(
            name,
            formats.seconds(getattr(data.all, name.lower())),
            good=-1,
            change=change(getattr(data.all, name.lower()), getattr(data.before, name.lower())),
            spark=line.trend(values),
        )
        for name, values in series.items()
    ]
    return [
        *cards,
        figure_card(
            "First chunk, P95",
            formats.seconds(data.first_chunk_all.p95),
            note=f"median {formats.seconds(data.first_chunk_all.p50)}, streams only"
            if data.first_chunk
            else "no streamed calls",
        ),
    ]


def _distribution(context: Context, data: Latency) -> charts.Figure:
    figure = charts.figure("count", legend=False)
    figure.add(
        "bar",
        x=[math.log10(b.low * b.high) / 2 for b in data.bins],
        y=[b.calls for b in data.bins],
        width=[math.log10(b.high / b.low) * 0.9 for b in data.bins],
        customdata=[f"{formats.seconds(b.low)} to {formats.seconds(b.high)}" for b in data.bins],
        marker={"color": charts.PALETTE[0], "line": {"width": 0}},
        hovertemplate="%{customdata}: %{y:,.0f}<extra></extra>",
        meta={"hrefs": [_between(context, b.low, b.high) for b in data.bins]},
    )
    ticks = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]
    figure.layout["hovermode"] = "closest"
    if max((b.calls for b in data.bins), default=0) <= charts.FEW:
        figure.axis("y", dtick=1)
    if data.bins:
        # At least the decades around: a single bar alone would have no axis.
        figure.axis(
            "x",
            range=[
                math.floor(math.log10(data.bins[0].low)) - 0.1,
                math.ceil(math.log10(data.bins[-1].high)) + 0.1,
            ],
        )
    # The axis holds logarithms itself: Plotly places lines and bars of a log axis differently.
    figure.axis(
        "x",
        tickvals=[math.log10(value) for value in ticks],
        ticktext=[_tick(value) for value in ticks],
    )
    figure.layout["margin"]["t"] = 24
    for name in ("p50", "p95", "p99"):
        value = getattr(data.all, name)
        if value is not None:
            figure.mark("x", math.log10(value), name.upper(), charts.REST)
    return figure


def _between(context: Context, low: float, high: float) -> str:
    """The traces with a call that took so long, the slowest first."""
    limits = (*context.state.all("where"), f"duration>={low:.6g}", f"duration<{high:.6g}")
    return context.there("/traces", where=limits, sort="slowest")


def _tick(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.0f} s"


PAGE = Page("/latency", "Latency", "Where the time goes", _read, _tables, _plots, _show)
