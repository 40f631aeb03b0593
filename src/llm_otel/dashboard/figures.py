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

# Chart -> its page, and which of the page's charts it is. `llm_otel.cli.chart` has the names too.
_CHARTS: Final = {
    "requests": ("/", 0),
    "percentiles": ("/", 1),
    "tokens": ("/", 2),
    "cost": ("/cost", 0),
    "durations": ("/latency", 0),
    "users": ("/sessions", 0),
    "sessions": ("/sessions", 1),
    "scores": ("/quality", 0),
    "drift": ("/quality", 1),
    "models": ("/optimise", 0),
    "value": ("/roi", 0),
    "cost-of-success": ("/roi", 1),
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
        ConfigError: There is no such chart, or nothing to draw.
    """
    if name not in _CHARTS:
        raise ConfigError(f"no chart {name!r}: use one of {', '.join(_CHARTS)}")
    path, place = _CHARTS[name]
    site = Site(lake, clock=clock)
    page, context = site.context(path, State(parameters).href(""))
    found = list(_graphs(site.content(page, context)))
    if len(found) <= place:
        raise ConfigError(f"the chart {name} has nothing to draw in this window with these filters")
    drawn: go.Figure = found[place].figure  # type: ignore[attr-defined]
    return drawn


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
