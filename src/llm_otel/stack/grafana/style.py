"""How panels look: one function a kind of panel, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from llm_otel.stack.config import Config
from llm_otel.stack.grafana.model import Json, Panel, Query
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import alerts

NO_TRAFFIC: Final = "No traffic"
NO_ERRORS: Final = "No errors"
GREEN, ORANGE, RED, BLUE, PURPLE, GREY = (
    "green", "orange", "red", "blue", "purple", "#8e8e8e",
)  # fmt: skip

UP_OR_DOWN: Final = (
    {
        "type": "value",
        "options": {
            "0": {"text": "Down", "color": RED, "index": 0},
            "1": {"text": "Up", "color": GREEN, "index": 1},
        },
    },
)
_GRAPH: Final[Mapping[str, Any]] = {
    "drawStyle": "line",
    "lineInterpolation": "linear",
    "lineWidth": 2,
    "fillOpacity": 4,
    "gradientMode": "opacity",
    "showPoints": "auto",
    "pointSize": 4,
    "spanNulls": 600_000,
    "stacking": {"mode": "none", "group": "A"},
}
_STACKED: Final = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 55, "lineWidth": 1}
_BARS: Final = {**_STACKED, "drawStyle": "bars", "fillOpacity": 85, "lineWidth": 0}
# What should be 0.
ANY: Final = ({"value": None, "color": GREEN}, {"value": 1, "color": RED})
STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "lines": {},
    "stacked": _STACKED,
    "bars": _BARS,
}


def with_alert(panel: Panel, config: Config) -> Panel:
    """The panel with the levels of the alert that is drawn in it: lines, or colours of a gauge."""
    alert = alerts.drawn_in(panel.pin) if panel.pin else None
    if alert is None:
        return panel
    levels = {"mode": "absolute", "steps": steps(alert.limits_in(config))}
    defaults = {**panel.defaults, "thresholds": levels}
    if "custom" in defaults:
        defaults["custom"] = {**defaults["custom"], "thresholdsStyle": {"mode": "dashed"}}
    return replace(panel, defaults=defaults)


def steps(limits: Limits | None) -> list[Json]:
    """An alert's levels as thresholds, to draw them and to colour what is above them.

    Args:
        limits: The alert's; None when it is off, which leaves no level.
    """
    levels = sorted(_levels(limits))
    return [step(None, GREEN), *(step(value, colour) for value, colour in levels)]


def _levels(limits: Limits | None) -> list[tuple[float, str]]:
    levels = [(limits.warning, ORANGE), (limits.critical, RED)] if limits else []
    return [(value, colour) for value, colour in levels if value is not None]


def steps_below(limits: Limits | None) -> list[Json]:
    """The thresholds that colour what is below an alert's levels; as `steps`."""
    # From the lowest level up, each colour reaches to the next level.
    rising = sorted(_levels(limits))
    colours = [colour for _, colour in rising] + [GREEN]
    bounds = [None, *(value for value, _ in rising)]
    return [step(value, colour) for value, colour in zip(bounds, colours, strict=True)]


def step(value: float | None, colour: str) -> Json:
    """One threshold: from `value` on it is this colour; None: from the bottom on."""
    return {"value": value, "color": colour}


def override(pattern: str, **properties: Any) -> Json:
    """Properties for the series whose name matches a pattern; `__` stands for the dot in a name."""
    return {
        "matcher": {"id": "byRegexp", "options": f"/{pattern}/"},
        "properties": [
            {"id": name.replace("__", "."), "value": value} for name, value in properties.items()
        ],
    }


def colour(name: str) -> Json:
    """A fixed colour, as a property of an override."""
    return {"mode": "fixed", "fixedColor": name}


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    style: str = "lines",
    custom: Mapping[str, Any] | None = None,
    calcs: Sequence[str] = ("lastNotNull", "max"),
    zero: bool = True,
    nothing: str = NO_TRAFFIC,
    **panel: Any,
) -> Panel:
    """A graph over time, its legend a table.

    Args:
        title, description, queries, unit: See `Panel`.
        style: One of `STYLES`.
        custom: More of the graph's own options.
        calcs: Columns of the legend.
        zero: The axis begins at 0.
        nothing: What it says when there is nothing to show.
        panel: More of `Panel`.
    """
    extra = dict(panel.pop("defaults", {}))
    defaults: Json = {
        "color": {"mode": "palette-classic-by-name"},
        "custom": {
            **_GRAPH,
            **STYLES[style],
            "thresholdsStyle": {"mode": "off"},
            **(custom or {}),
        },
        "thresholds": {"mode": "absolute", "steps": [step(None, GREEN)]},
        "noValue": nothing,
        **({"min": 0} if zero else {}),
        **extra,
    }
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": list(calcs),
            "sortBy": {"lastNotNull": "Last *", "max": "Max", "sum": "Total"}[calcs[0]],
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel("timeseries", title, description, queries, unit, defaults=defaults,
                 options=options, **panel)  # fmt: skip


def stat(
    title: str,
    description: str,
    query: str,
    *,
    unit: str,
    levels: Sequence[Json] = (),
    fixed: str = BLUE,
    decimals: int | None = None,
    nothing: str = NO_TRAFFIC,
    words: Sequence[Json] = (),
    **panel: Any,
) -> Panel:
    """One number, as it is at the end of the time range.

    Args:
        title, description, query, unit: See `Panel`.
        levels: Thresholds that colour it; without them it has the colour `fixed`.
        fixed: That colour.
        decimals: Digits after the point.
        nothing: What it says when there is nothing to show.
        words: What it says instead of some values, such as `UP_OR_DOWN`.
        panel: More of `Panel`.
    """
    defaults: Json = {
        "color": {"mode": "thresholds"} if levels else colour(fixed),
        "thresholds": {"mode": "absolute", "steps": list(levels) or [step(None, GREEN)]},
        "mappings": [*words, *_instead_of_nothing(nothing)],
        "noValue": nothing,
        **({} if decimals is None else {"decimals": decimals}),
    }
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "center",
        "textMode": "value",
    }
    size = {"width": 4, "height": 4, **panel}
    return Panel("stat", title, description, (Query(query, instant=True),), unit,
                 defaults=defaults, options=options, **size)  # fmt: skip


def _instead_of_nothing(text: str) -> list[Json]:
    """The mapping that shows a text where the value is none or not a number."""
    options = {"match": "null+nan", "result": {"text": text, "index": 2}}
    return [{"type": "special", "options": options}]


def gauges(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    top: float,
    nothing: str = NO_TRAFFIC,
    **panel: Any,
) -> Panel:
    """Horizontal bars, one a series, as they are at the end of the time range.

    Args:
        title, description, queries, unit: See `Panel`.
        top: Where a bar is full.
        nothing: What it says when there is nothing to show.
        panel: More of `Panel`.
    """
    defaults = {
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [step(None, GREEN)]},
        "mappings": _instead_of_nothing(nothing),
        "noValue": nothing,
        "min": 0,
        "max": top,
    }
    options = {
        "orientation": "horizontal",
        "displayMode": "gradient",
        "valueMode": "color",
        "showUnfilled": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return Panel("bargauge", title, description, queries, unit, defaults=defaults,
                 options=options, **panel)  # fmt: skip
