"""The dashboard's charts by name, for a program: the same figures as on its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import plotly.graph_objects as go
from dash import dcc

from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State
from llm_otel.errors import ConfigError
from llm_otel.lake.reading import Lake

# Chart -> its page, and its name there. `llm_otel.cli.chart` has the names too.
_CHARTS: Final = {
    "requests": ("/", "requests"),
    "percentiles": ("/", "latency"),
    "tokens": ("/", "tokens"),
    "cost": ("/cost", "cost-by"),
    "durations": ("/latency", "distribution"),
    "users": ("/sessions", "active-users"),
    "sessions": ("/sessions", "active-sessions"),
    "scores": ("/quality", "distribution"),
    "drift": ("/quality", "drift"),
    "models": ("/optimise", "on-one-model"),
    "value": ("/roi", "value-and-cost"),
    "cost-of-success": ("/roi", "cost-of-a-success"),
}
NAMES: Final = tuple(_CHARTS)


def chart(
    lake: Lake,
    name: str,
    parameters: Mapping[str, tuple[str, ...]],
    clock: Callable[[], datetime] | None = None,
) -> go.Figure:
    """One chart.

    Args:
        lake: An open lake.
        name: One of `NAMES`.
        parameters: Those of the page's address: `since`, `by`, `model`, …
        clock: The time now, UTC; None: the machine's.

    Raises:
        ConfigError: There is no such chart, nothing to draw, or a parameter says what it cannot.
    """
    if name not in _CHARTS:
        raise ConfigError(f"no chart {name!r}: use one of {', '.join(_CHARTS)}")
    path, place = _CHARTS[name]
    site = Site(lake, clock=clock, strict=True)
    page, context = site.context(path, State(parameters).href(""))
    for graph in _graphs(site.content(page, context)):
        if graph.id == f"chart-{place}":  # type: ignore[attr-defined]
            figure: go.Figure = graph.figure  # type: ignore[attr-defined]
            return figure
    raise ConfigError(f"the chart {name} has nothing to draw in this window with these filters")


def _graphs(part: Any) -> Iterator[dcc.Graph]:
    if isinstance(part, (list, tuple)):
        for each in part:
            yield from _graphs(each)
    elif isinstance(part, dcc.Graph):
        yield part
    elif not isinstance(part, str):
        below = getattr(part, "children", None)
        # Not `or`: a component without children counts as false.
        yield from _graphs([] if below is None else below)
