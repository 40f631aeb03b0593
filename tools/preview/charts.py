"""A panel's answers as a figure for Plotly, a number, bars or a table."""

from __future__ import annotations

import html
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.preview.api import Series
from tools.preview.formats import NO_VALUE, colour_of, shown, ticks
from tools.preview.macros import View

# Grafana's palette of names, in its dark theme.
COLOURS = {
    "green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2",
    "purple": "#b877d9", "yellow": "#fade2a", "dark-red": "#c4162a",
}  # fmt: skip
_PALETTE = (
    "#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5a9bd8", "#ba43a9", "#8f7ae5",
    "#508642", "#cca300", "#447ebc", "#c15c17", "#e0759c", "#65c5db", "#b7dbab", "#f4d598",
)  # fmt: skip
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_DASHES = {"dash": "6px,5px", "dot": "2px,3px"}


@dataclass(frozen=True)
class Line:
    """One series of a graph, with what the overrides say of it."""

    name: str
    points: list[tuple[float, float]]
    style: dict[str, Any]
    fixed: str | None


def name(legend: str, labels: dict[str, str]) -> str:
    """What a legend format makes of a series' labels."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), legend).strip()


def colour(text: str) -> str:
    """A colour as a browser knows it."""
    return COLOURS.get(text, text)


def lines(panel: dict[str, Any], answers: Sequence[list[Series]]) -> list[Line]:
    """The series of a graph in their order."""
    result = []
    for target, series in zip(panel["targets"], answers):
        for each in series:
            label = name(target["legendFormat"], each.labels) or "value"
            style = dict(panel["fieldConfig"]["defaults"].get("custom", {}))
            fixed = None
            for override in panel["fieldConfig"]["overrides"]:
                if re.search(override["matcher"]["options"].strip("/"), label):
                    for item in override["properties"]:
                        if item["id"] == "color":
                            fixed = item["value"]["fixedColor"]
                        style[item["id"].removeprefix("custom.")] = item["value"]
            result.append(Line(label, each.points, style, fixed))
    return result


def graph(
    panel: dict[str, Any], series: Sequence[Line], view: View, marks: Sequence[float] = ()
) -> dict[str, Any]:
    """A graph: Plotly's `data` and `layout`; annotations are `marks` in time."""
    defaults = panel["fieldConfig"]["defaults"]
    steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is not None]
    dashed = steps if defaults["custom"]["thresholdsStyle"]["mode"] != "off" else []
    right = [line for line in series if line.style.get("axisPlacement") == "right"]
    hidden = [line for line in series if line.style.get("axisPlacement") == "hidden"]
    others = [line for line in series if line not in right and line not in hidden]
    bounds = [step["value"] for step in dashed]
    layout = {
        "barmode": "relative",
        "bargap": 0.15,
        "shapes": [
            *(_threshold(step["value"], step["color"]) for step in dashed),
            *map(_mark, marks),
        ],
        "xaxis": {
            "range": [view.start * 1000, view.end * 1000],
            "tickformat": "%H:%M" if view.seconds <= 86400 else "%b %d",
        },
        "yaxis": _axis(defaults, others, bounds),
        "margin": {"l": 58, "r": 58 if right else 12, "t": 8, "b": 22},
    }
    if right:
        layout["yaxis2"] = {**_axis(defaults, right, []), "overlaying": "y", "side": "right",
                            "showgrid": False}  # fmt: skip
    if hidden:
        layout["yaxis3"] = {"overlaying": "y", "visible": False}
    return {"data": [_trace(line, view.step(panel)) for line in series], "layout": layout}


def _trace(line: Line, step: int) -> dict[str, Any]:
    sign = -1 if line.style.get("transform") == "negative-Y" else 1
    shade = line_colour(line)
    xs, ys = _with_gaps(line.points, step, sign)
    trace: dict[str, Any] = {"name": line.name, "x": xs, "y": ys}
    if line.style["drawStyle"] == "bars":
        return {**trace, "type": "bar", "marker": {"color": shade, "line": {"width": 0}}}
    dash = line.style.get("lineStyle", {}).get("fill")
    trace |= {
        "type": "scatter",
        "mode": "lines" if len(xs) > 2 else "markers",
        "line": {
            "color": shade,
            "width": max(line.style["lineWidth"], 1) * 0.9,
            "dash": _DASHES.get(dash, "solid"),
        },
    }
    axis = {"right": "y2", "hidden": "y3"}.get(line.style.get("axisPlacement", ""))
    if axis:
        trace["yaxis"] = axis
    if line.style["stacking"]["mode"] == "normal":
        trace |= {"stackgroup": "below" if sign < 0 else "above", "fillcolor": _faded(shade, 0.5)}
    elif line.style["fillOpacity"]:
        trace |= {"fill": "tozeroy", "fillcolor": _faded(shade, line.style["fillOpacity"] / 150)}
    return trace


def line_colour(line: Line) -> str:
    """Fixed, or by the name, so that a model has one colour in every panel."""
    if line.fixed:
        return colour(line.fixed)
    return _PALETTE[zlib.crc32(line.name.encode()) % len(_PALETTE)]


def _with_gaps(
    points: list[tuple[float, float]], step: int, sign: int
) -> tuple[list[float], list[float | None]]:
    xs: list[float] = []
    ys: list[float | None] = []
    for at, value in points:
        if xs and at * 1000 - xs[-1] > max(step, 600) * 1500:
            xs.append(at * 1000 - 1)
            ys.append(None)
        xs.append(at * 1000)
        ys.append(sign * value if value == value else None)
    return xs, ys


def _threshold(value: float, shade: str) -> dict[str, Any]:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value,
            "line": {"color": colour(shade), "width": 1.2, "dash": "8px,6px"}}  # fmt: skip


def _mark(at: float) -> dict[str, Any]:
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": at * 1000, "x1": at * 1000,
            "line": {"color": colour("blue"), "width": 1, "dash": "2px,3px"}}  # fmt: skip


def _axis(defaults: dict[str, Any], series: Sequence[Line], bounds: list[float]) -> dict[str, Any]:
    custom, unit = defaults["custom"], defaults["unit"]
    if custom.get("scaleDistribution", {}).get("type") == "log":
        top = max([custom["axisSoftMax"], *_values(series)]) * 1.05
        marks = [0.125 * 2**n for n in range(11)]
        return {"type": "log", "tickvals": marks, "ticktext": [shown(m, unit) for m in marks],
                "range": [math.log10(custom["axisSoftMin"]), math.log10(top)]}  # fmt: skip
    top, bottom = _extent(series)
    if defaults.get("max") is not None:
        top = defaults["max"]
    top = max([top * 1.06, *(bound * 1.08 for bound in bounds)]) or 1.0
    marks = ticks(top, unit, bottom)
    return {"range": [bottom * 1.06, top], "tickvals": marks,
            "ticktext": [shown(abs(mark), unit) for mark in marks]}  # fmt: skip


def _values(series: Sequence[Line]) -> list[float]:
    return [value for line in series for _, value in line.points if value == value]


def _extent(series: Sequence[Line]) -> tuple[float, float]:
    """The highest and the lowest point, of sums where the lines are stacked."""
    above: dict[float, float] = {}
    below: dict[float, float] = {}
    single = 0.0
    for line in series:
        side = below if line.style.get("transform") == "negative-Y" else above
        for at, value in line.points:
            if value != value:
                continue
            if line.style["stacking"]["mode"] == "normal":
                side[at] = side.get(at, 0.0) + value
            else:
                single = max(single, value)
    return max([single, *above.values()]), -max([0.0, *below.values()])


def _faded(shade: str, alpha: float) -> str:
    red, green, blue = (int(shade[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:.2f})"


_CALCS = {
    "lastNotNull": ("Last", lambda values: values[-1]),
    "max": ("Max", max),
    "min": ("Min", min),
    "sum": ("Total", sum),
}


def legend(panel: dict[str, Any], series: Sequence[Line]) -> str:
    """The legend's table."""
    calcs = [_CALCS[calc] for calc in panel["options"]["legend"]["calcs"]]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    rows = []
    for line in series:
        values = [value for _, value in line.points if value == value]
        if values:
            rows.append((calcs[0][1](values), line, [calc(values) for _, calc in calcs]))
    head = "".join(f"<th>{title}</th>" for title, _ in calcs)
    body = "".join(
        f'<tr><td><i style="background:{line_colour(line)}"></i>{html.escape(line.name)}</td>'
        + "".join(f"<td>{shown(value, unit)}</td>" for value in numbers)
        + "</tr>"
        for _, line, numbers in sorted(rows, key=lambda row: -row[0])
    )
    return f'<table class="legend"><tr><th>Name</th>{head}</tr>{body}</table>'


def stat(panel: dict[str, Any], answers: Sequence[list[Series]]) -> str:
    """One number."""
    values = [series.points[-1][1] for series in answers[0]]
    defaults = panel["fieldConfig"]["defaults"]
    if not values or values[0] != values[0]:
        return f'<div class="stat none">{defaults["noValue"]}</div>'
    fixed = defaults["color"].get("fixedColor")
    shade = fixed or colour_of(values[0], defaults["thresholds"]["steps"])
    text = _word(values[0], defaults) or shown(
        values[0], defaults["unit"], defaults.get("decimals")
    )
    return f'<div class="stat" style="color:{colour(shade)}">{text}</div>'


def _word(value: float, defaults: dict[str, Any]) -> str:
    """What a mapping says instead of a value; empty where none does."""
    for mapping in defaults.get("mappings", ()):
        if mapping["type"] == "value" and f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    return ""


def gauges(panel: dict[str, Any], answers: Sequence[list[Series]]) -> str:
    """Horizontal bars."""
    defaults = panel["fieldConfig"]["defaults"]
    steps, rows = defaults["thresholds"]["steps"], []
    for target, series in zip(panel["targets"], answers):
        for each in series:
            value = each.points[-1][1]
            width = min(value / defaults["max"], 1) * 100
            shade = colour(colour_of(value, steps))
            rows.append(
                (name(target["legendFormat"], each.labels),
                 f'<b><s style="width:{width:.1f}%;background:{shade}"></s></b>'
                 f'<em style="color:{shade}">{shown(value, defaults["unit"])}</em>')
            )  # fmt: skip
    if not rows:
        return f'<div class="stat none">{defaults["noValue"]}</div>'
    body = "".join(f"<label>{html.escape(label)}</label>{bar}" for label, bar in rows)
    return f'<div class="gauges">{body}</div>'


def table(panel: dict[str, Any], answers: Sequence[list[Series]]) -> str:
    """A table: the frames merged by their labels, columns in the order of the JSON."""
    organize = panel["transformations"][-1]["options"]
    heads = organize["renameByName"]
    order = sorted(organize["indexByName"], key=organize["indexByName"].__getitem__)
    labels = [each for each in order if not each.startswith("Value")]
    numbers = [heads[each] for each in order if each.startswith("Value #")]
    linked = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]
              if o["properties"][0]["id"] == "links"}  # fmt: skip
    classes = ["link" if heads[label] in linked else "" for label in labels]
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for head, series in zip(numbers, answers):
        for each in series:
            key = tuple(each.labels.get(label, "") for label in labels)
            rows.setdefault(key, {})[head] = each.points[-1][1]
    if not rows:
        nothing = panel["fieldConfig"]["defaults"]["noValue"]
        return f'<div class="stat none">{nothing}</div>'
    cells = {o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
             for o in panel["fieldConfig"]["overrides"]}  # fmt: skip
    lead = panel["options"]["sortBy"][0]["displayName"]
    ranked = sorted(rows.items(), key=lambda row: -row[1].get(lead, float("-inf")))
    tops = {head: max((row.get(head, 0) for row in rows.values()), default=1) for head in numbers}
    head = "".join(f"<th>{heads[label]}</th>" for label in labels) + "".join(
        f'<th class="n">{number}</th>' for number in numbers
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{c}">{html.escape(value)}</td>' for c, value in zip(classes, key))
        + "".join(_cell(cells[number], row.get(number), tops[number]) for number in numbers)
        + "</tr>"
        for key, row in ranked
    )
    footer = _sums(panel, list(rows.values()), numbers, cells, len(labels))
    return f'<table class="data"><tr>{head}</tr>{body}{footer}</table>'


def _sums(
    panel: dict[str, Any],
    rows: Sequence[dict[str, float]],
    numbers: Sequence[str],
    cells: dict[str, dict[str, Any]],
    labels: int,
) -> str:
    """The row of totals; empty where the table has none."""
    summed = panel["options"].get("footer", {}).get("fields", ())
    if not summed:
        return ""
    totals = {number: sum(row.get(number, 0.0) for row in rows) for number in summed}
    body = "".join(
        f'<td class="n">{shown(totals[n], cells[n]["unit"], cells[n].get("decimals"))}</td>'
        if n in totals
        else "<td></td>"
        for n in numbers
    )
    return f'<tr class="total"><td colspan="{labels}">Total</td>{body}</tr>'


def _cell(style: dict[str, Any], value: float | None, top: float) -> str:
    text = shown(value, style["unit"], style.get("decimals"))
    kind = style.get("custom.cellOptions", {}).get("type")
    if kind == "gauge" and value is not None and top:
        width = max(value / top, 0) * 60
        return f'<td class="n bar"><s style="width:{width:.1f}%"></s>{text}</td>'
    if kind == "color-text" and text != NO_VALUE:
        shade = colour(colour_of(value, style["thresholds"]["steps"]))
        return f'<td class="n" style="color:{shade}">{text}</td>'
    return f'<td class="n">{text}</td>'
