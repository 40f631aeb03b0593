"""The charts, all of one look. Colours of text, lines and hover boxes come from the style sheet,
so that a chart follows the theme without being drawn again; the series' own do on both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from llm_otel.dashboard.timeline import Timeline
from llm_otel.escaping import plotly

PALETTE: Final = (
    "#5b7cfa", "#17b890", "#f0a020", "#e8588f", "#22b8cf", "#8f6bf2", "#f2784b", "#a3c644",
)  # fmt: skip
REST: Final = "#8b95a5"
GOOD: Final = "#17b890"
BAD: Final = "#e5484d"
WARN: Final = "#f0a020"
# Of its stretch; the rest is the gap to the next bar.
_BAR_WIDTH: Final = 0.8
_HATCH: Final = {"shape": "/", "fillmode": "replace", "size": 6, "solidity": 0.4}
_DOT: Final = 7
# Up to so many calls, each is a line of the grid.
FEW: Final = 5
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_AXIS: Final = {"showgrid": False, "zeroline": False, "automargin": True, "fixedrange": True}

# How a unit is written on an axis and in a hover box (d3-format).
FORMATS: Final = {
    "usd": {"tickprefix": "$", "tickformat": ",~r", "hover": "$,.6~r"},
    "s": {"ticksuffix": " s", "tickformat": "~r", "hover": ".4~r"},
    "share": {"tickformat": ".1~%", "hover": ".2%"},
    "count": {"tickformat": "~s", "hover": ",.0f"},
    "score": {"tickformat": ".2f", "hover": ".3f"},
}


@dataclass(frozen=True)
class Figure:
    """A chart in the words of Plotly's JSON schema.

    Attributes:
        data: The traces.
        layout: Axes, legend and all else.
    """

    data: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, **trace: Any) -> None:
        """A trace of a kind, `bar` or `scatter`."""
        self.data.append({"type": kind, **trace})

    def axis(self, name: str, **settings: Any) -> None:
        """Set what is named of the axis `x` or `y`."""
        self.layout[f"{name}axis"].update(settings)

    def mark(self, axis: str, value: float, text: str, colour: str) -> None:
        """A dotted line across the chart at a value of an axis, with its name."""
        other = "y" if axis == "x" else "x"
        line = {"width": 1, "dash": "dot", "color": colour}
        self.layout.setdefault("shapes", []).append(
            {
                "type": "line", f"{axis}0": value, f"{axis}1": value, f"{other}0": 0,
                f"{other}1": 1, f"{other}ref": f"{other} domain", "line": line,
            }
        )  # fmt: skip
        places = {
            "x": {"yref": "y domain", "y": 1, "yanchor": "bottom", "xanchor": "center"},
            "y": {"xref": "x domain", "x": 0, "yanchor": "bottom", "xanchor": "left"},
        }
        self.layout.setdefault("annotations", []).append(
            {axis: value, "text": text, "showarrow": False, **places[axis]}
        )

    def json(self) -> str:
        """As Plotly reads it; times in ISO 8601."""
        document = {"data": self.data, "layout": self.layout}
        return json.dumps(document, default=_json, separators=(",", ":"))


def _json(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


@dataclass(frozen=True)
class Chart:
    """A chart as a page shows it.

    Attributes:
        says: What it shows in words, for those who do not see it.
        about: A line under the title.
        to: The address of what is behind it, as of the traces.
        by: The parameter of that address that a series' name is a value of.
        rest: The series whose name is none, as it is of all others.
        step_s: Seconds of a stretch, where a click on one leads to its window.
    """

    title: str
    figure: Figure
    says: str
    about: str = ""
    to: str = ""
    by: str = ""
    rest: str = ""
    step_s: int | None = None


def figure(unit: str = "count", *, legend: bool = True, stacked: bool = False) -> Figure:
    """An empty chart whose y axis is in `unit`, a key of `FORMATS`."""
    formats = FORMATS[unit]
    axis_format = {key: value for key, value in formats.items() if key != "hover"}
    return Figure(
        layout={
            "autosize": True,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": _FONT, "size": 12},
            "colorway": list(PALETTE),
            "hovermode": "x unified",
            "dragmode": "zoom",
            "barmode": "stack" if stacked else "group",
            "bargap": 0.25,
            "showlegend": legend,
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0,
                       "traceorder": "normal"},
            # Below the lowest label of the other axis.
            "xaxis": {**_AXIS, "ticklabelstandoff": 6},
            "yaxis": {**_AXIS, "showgrid": True, "rangemode": "tozero", "nticks": 6, **axis_format},
        }
    )  # fmt: skip


def lines(line: Timeline, series: Mapping[str, Sequence[Any]], unit: str) -> Figure:
    """Lines over time. A stretch without a value is a gap; a value alone between gaps is a dot."""
    chart = figure(unit, legend=len(series) > 1)
    for number, (name, ys) in enumerate(series.items()):
        colour = PALETTE[number % len(PALETTE)]
        chart.add(
            "scatter", x=line.starts, y=list(ys), name=plotly(name), mode="lines+markers",
            line={"width": 2, "color": colour},
            marker={"color": colour, "size": _dots(ys), "line": {"width": 0}},
            hovertemplate=f"%{{y:{FORMATS[unit]['hover']}}}",
        )  # fmt: skip
    _frame(chart, line, unit, max((y for ys in series.values() for y in ys if y), default=0))
    return chart


def bars(
    line: Timeline,
    series: Mapping[str, Sequence[Any]],
    unit: str,
    colours: Sequence[str] = PALETTE,
    *,
    stacked: bool = True,
) -> Figure:
    """Bars over time, each as wide as its stretch and hatched where the window cuts it."""
    chart = figure(unit, legend=len(series) > 1, stacked=stacked)
    width = line.step_s * 1000 * _BAR_WIDTH
    part = width if stacked else width / max(len(series), 1)
    for number, (name, ys) in enumerate(series.items()):
        look = {
            "name": plotly(name), "legendgroup": plotly(name), "width": part,
            "offset": 0 if stacked else part * number,
            "hovertemplate": f"%{{y:{FORMATS[unit]['hover']}}}",
        }  # fmt: skip
        solid = {"color": colours[number % len(colours)], "line": {"width": 0}}
        # Cut ones are a series of their own, so that the legend has the others' look.
        whole = [y if of_all else None for y, of_all in zip(ys, line.whole)]
        chart.add("bar", x=line.starts, y=whole, marker=solid, **look)
        cut = [None if of_all else y or None for y, of_all in zip(ys, line.whole)]
        if any(cut):
            hatched = {**solid, "pattern": _HATCH}
            chart.add("bar", x=line.starts, y=cut, marker=hatched, showlegend=False, **look)
    columns = [[y or 0 for y in column] for column in zip(*series.values())]
    top = max((sum(column) if stacked else max(column) for column in columns), default=0)
    _frame(chart, line, unit, top)
    return chart


def stacked_by(
    line: Timeline, rows: Sequence[Any], value: str, unit: str, rest: str = ""
) -> Figure:
    """Bars of rows with `time`, `name` and a value; the greatest name first, `rest` last."""
    sums: dict[str, float] = {}
    amounts: dict[tuple[Any, str], float] = {}
    for row in rows:
        name = row.name or "none"
        amount = getattr(row, value) or 0
        sums[name] = sums.get(name, 0) + amount
        amounts[(row.time, name)] = amount
    names = sorted(sums, key=lambda name: (name == rest, -sums[name]))
    series = {name: [amounts.get((x, name), 0) for x in line.starts] for name in names}
    return bars(line, series, unit, colours(names, rest))


def colours(names: Sequence[str], rest: str) -> Sequence[str]:
    """A colour for each series; that of `rest` is grey."""
    return [
        REST if name == rest else PALETTE[number % len(PALETTE)]
        for number, name in enumerate(names)
    ] or PALETTE


def _dots(ys: Sequence[Any]) -> list[int]:
    """The size of each point's dot: none where a line leads to or from it."""
    beside = [None, *ys, None]
    return [
        _DOT if before is None and after is None else 0 for before, after in zip(beside, beside[2:])
    ]


def _frame(chart: Figure, line: Timeline, unit: str, top: float) -> None:
    """Axes that a single value cannot shrink around itself."""
    if line.starts:
        end = line.starts[-1] + timedelta(seconds=line.step_s)
        chart.axis("x", range=[min(line.since, line.starts[0]), max(line.until, end)])
    # To draw over a part of it is to look at that part.
    chart.axis("x", type="date", fixedrange=False)
    if unit == "count" and top <= FEW:
        # There is no half of a call.
        chart.axis("y", dtick=1)
    chart.axis("y", range=[0, top * 1.05 if top > 0 else 1])


def band(
    chart: Figure, line: Timeline, ends: Mapping[Any, tuple[float, float]], colour: str
) -> None:
    """Intervals around a line, behind it; none over stretches that have none.

    Args:
        chart: Where to draw.
        line: The stretches of the line.
        ends: The lower and the upper end of each stretch that has an interval.
        colour: The line's.
    """
    runs: list[list[datetime]] = [[]]
    for start in line.starts:
        if start in ends:
            runs[-1].append(start)
        elif runs[-1]:
            runs.append([])
    for xs in runs:
        if len(xs) > 1:
            low, high = zip(*(ends[x] for x in xs))
            chart.add(
                "scatter", x=[*xs, *reversed(xs)], y=[*high, *reversed(low)], fill="toself",
                mode="none", fillcolor=_pale(colour), hoverinfo="skip", showlegend=False,
            )  # fmt: skip


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
