"""The dashboard's charts by name, for a program: the same figures as on its pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from llm_otel.dashboard.charts import Figure
from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State
from llm_otel.errors import ConfigError
from llm_otel.lake.reading import Lake

# Chart -> the page that has it under this name. `llm_otel.cli.chart` has the names too.
_PAGES: Final = {
    "requests": "/",
    "percentiles": "/",
    "p95-by-model": "/",
    "tokens": "/",
    "cost": "/cost",
    "errors": "/errors",
    "durations": "/latency",
    "users": "/sessions",
    "sessions": "/sessions",
    "runs": "/agents",
    "cost-of-run": "/agents",
    "calls-of-run": "/agents",
    "scores": "/quality",
    "drift": "/quality",
    "models": "/optimise",
    "value": "/roi",
    "cost-of-success": "/roi",
}
NAMES: Final = tuple(_PAGES)


def chart(
    lake: Lake,
    name: str,
    parameters: Mapping[str, tuple[str, ...]],
    clock: Callable[[], datetime] | None = None,
) -> Figure:
    """One chart.

    Args:
        lake: An open lake.
        name: One of `NAMES`.
        parameters: Those of the page's address: `since`, `by`, `model`, …
        clock: The time now, UTC; None: the machine's.

    Raises:
        ConfigError: There is no such chart, nothing to draw, or a parameter says what it cannot.
    """
    if name not in _PAGES:
        raise ConfigError(f"no chart {name!r}: use one of {', '.join(_PAGES)}")
    site = Site(lake, clock=clock, strict=True)
    page, context = site.context(_PAGES[name], State(parameters).href(""))
    draw = site.charts(page, context).get(name)
    plot = draw() if draw is not None else None
    if plot is None:
        raise ConfigError(f"the chart {name} has nothing to draw in this window with these filters")
    return plot.figure
