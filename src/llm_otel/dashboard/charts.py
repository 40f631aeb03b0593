"""The charts, all of one look. Colours of text, lines and hover boxes come from the style sheet,
so that a chart follows the theme without being drawn again; the series' own do on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from llm_otel.escaping import plotly

PALETTE: Final = (
    "#5b7cfa", "#17b890", "#f0a020", "#e8588f", "#22b8cf", "#8f6bf2", "#f2784b", "#a3c644",
)  # fmt: skip
REST: Final = "#8b95a5"
GOOD: Final = "#17b890"
BAD: Final = "#e5484d"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_AXIS: Final = {"showgrid": False, "zeroline": False, "fixedrange": True, "automargin": True}

# How a unit is written on an axis and in a hover box (d3-format).
FORMATS: Final = {
    "usd": {"tickprefix": "$", "tickformat": ",~r", "hover": "$,.4~f"},
    "s": {"ticksuffix": " s", "tickformat": "~r", "hover": ".3~f"},
    "share": {"tickformat": ".1~%", "hover": ".2%"},
    "count": {"tickformat": "~s", "hover": ",.0f"},
    "score": {"tickformat": ".2f", "hover": ".3f"},
}


def figure(unit: str = "count", *, legend: bool = True, stacked: bool = False) -> go.Figure:
    """An empty chart whose y axis is in `unit`, a key of `FORMATS`."""
    formats = FORMATS[unit]
    shown = {key: value for key, value in formats.items() if key != "hover"}
    return go.Figure(
        layout={
            "template": None,
            "autosize": True,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": _FONT, "size": 12},
            "colorway": list(PALETTE),
            "hovermode": "x unified",
            "barmode": "stack" if stacked else "group",
            "bargap": 0.25,
            "showlegend": legend,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0,
                       "traceorder": "normal"},
            "xaxis": {**_AXIS},
            "yaxis": {**_AXIS, "showgrid": True, "rangemode": "tozero", "nticks": 6, **shown},
        }
    )  # fmt: skip


def lines(
    xs: Sequence[Any], series: Mapping[str, Sequence[Any]], unit: str, *, fill: bool = False
) -> go.Figure:
    """Lines over time; `fill` stacks them as areas."""
    made = figure(unit, legend=len(series) > 1)
    for number, (name, ys) in enumerate(series.items()):
        colour = PALETTE[number % len(PALETTE)]
        made.add_scatter(
            x=list(xs), y=list(ys), name=plotly(name), mode="lines",
            line={"width": 2, "color": colour}, stackgroup="all" if fill else None,
            fillcolor=_pale(colour) if fill else None,
            hovertemplate=f"%{{y:{FORMATS[unit]['hover']}}}",
        )  # fmt: skip
    return made


def bars(
    xs: Sequence[Any],
    series: Mapping[str, Sequence[Any]],
    unit: str,
    colours: Sequence[str] = PALETTE,
) -> go.Figure:
    """Stacked bars, one stack for each x."""
    made = figure(unit, legend=len(series) > 1, stacked=True)
    for number, (name, ys) in enumerate(series.items()):
        made.add_bar(
            x=list(xs), y=list(ys), name=plotly(name),
            marker=_solid(colours[number % len(colours)]),
            hovertemplate=f"%{{y:{FORMATS[unit]['hover']}}}",
        )  # fmt: skip
    return made


def stacked_by(rows: Sequence[Any], value: str, unit: str, rest: str = "") -> go.Figure:
    """Bars of rows with `time`, `name` and a value; the greatest name first, `rest` last."""
    xs = sorted({row.time for row in rows})
    sums: dict[str, float] = {}
    found: dict[tuple[Any, str], float] = {}
    for row in rows:
        name = row.name or "none"
        amount = getattr(row, value) or 0
        sums[name] = sums.get(name, 0) + amount
        found[(row.time, name)] = amount
    names = sorted(sums, key=lambda name: (name == rest, -sums[name]))
    colours = [REST if name == rest else PALETTE[n % len(PALETTE)] for n, name in enumerate(names)]
    series = {name: [found.get((x, name), 0) for x in xs] for name in names}
    return bars(xs, series, unit, colours or PALETTE)


def band(made: go.Figure, xs: Sequence[Any], low: Sequence[Any], high: Sequence[Any],
         colour: str) -> None:  # fmt: skip
    """An interval around a line, behind it."""
    made.add_scatter(
        x=[*xs, *reversed(xs)], y=[*high, *reversed(low)], fill="toself", mode="none",
        fillcolor=_pale(colour), hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _solid(colour: str | Sequence[str]) -> dict[str, Any]:
    return {"color": colour, "line": {"width": 0}}


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
