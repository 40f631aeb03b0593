"""The home dashboard: is it fast, what does it cost, does it fail?"""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, INPUT, MODEL, OUTPUT, TOKEN_TYPE
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql, style
from llm_otel.stack.grafana.board import to_dashboard, to_traces
from llm_otel.stack.grafana.details import rows
from llm_otel.stack.grafana.model import Dashboard, Panel, Query
from llm_otel.stack.grafana.promql import increase
from llm_otel.stack.grafana.style import colour, graph, override
from llm_otel.stack.prometheus import alerts

PROJECTED: Final = (
    "the month to date (UTC) and the rest at the mean of the last 7 days, or of those there are; "
    "of everything, or of chosen tenants or features, not of a service, provider or model"
)
NOT_PRICED: Final = "calls not priced in full"
_QUANTILES: Final = {"P50": 0.5, "P95": 0.95, "P99": 0.99}
DOTTED: Final = {"fill": "dot", "dash": [2, 4]}
DASHED: Final = {"fill": "dash", "dash": [6, 6]}
_HEIGHT: Final = 14


def dashboard(config: Config) -> Dashboard:
    """LLM operations."""
    return Dashboard(
        panels.OPERATIONS,
        "LLM operations",
        "Latency, tokens and cost of the LLM calls at a glance; errors, limits and traces below.",
        "LLM",
        (_latency(config), _tokens(), _cost()),
        rows(config),
        components=("llm", "cost"),
    )


def _latency(config: Config) -> Panel:
    over = alerts.of_panel(panels.LATENCY).window_in(config)
    thin = {"custom__lineWidth": 1}
    return graph(
        "Latency by model",
        f"How long calls took, stream included: P50, P95 and P99 over {over}, on a logarithmic "
        "axis; P50 and P99 are grey. The dashed lines are where the alert on P95 warns and pages. "
        "Dots are exemplars: each leads to the trace of one call.",
        *(
            Query(
                promql.quantile(q, semconv.REQUEST_DURATION, over, [MODEL]), f"{{{{model}}}} {name}"
            )
            for name, q in _QUANTILES.items()
        ),
        Query(promql.exemplars(semconv.REQUEST_DURATION), exemplar=True),
        unit="s",
        custom={
            "scaleDistribution": {"type": "log", "log": 2},
            "axisSoftMin": 0.125,
            "axisSoftMax": 16,
            "fillOpacity": 0,
        },
        zero=False,
        overrides=[
            override(" P50$", color=colour("#5f6570"), **thin, custom__lineStyle=DOTTED),
            override(" P99$", color=colour("#9aa0ad"), **thin, custom__lineStyle=DASHED),
        ],
        height=_HEIGHT,
        pin=panels.LATENCY,
        links=[to_traces("Traces of this model", **{MODEL: MODEL})],
    )


def _tokens() -> Panel:
    by = (MODEL, FEATURE)
    words = {INPUT: "in", OUTPUT: "out"}
    return graph(
        "Tokens per hour by model and feature",
        "Tokens billed in the hour before each point: input above the line, output below it. "
        "Input includes cached tokens, output includes reasoning.",
        *(
            Query(
                increase(semconv.TOKENS_CONSUMED, "1h", by, f'{TOKEN_TYPE}="{kind}"'),
                f"{word} · {{{{model}}}} · {{{{feature}}}}",
            )
            for kind, word in words.items()
        ),
        unit="short",
        style="stacked",
        zero=False,
        overrides=[override("^out ", custom__transform="negative-Y")],
        height=_HEIGHT,
        pin=panels.TOKENS,
        links=[to_traces("Traces behind it", **{MODEL: MODEL, FEATURE: FEATURE})],
    )


def _cost() -> Panel:
    return graph(
        "Cost per hour, projected month",
        "USD spent in the hour before each point, by model. The line, on the right axis, is what "
        f"the calendar month will have cost: {PROJECTED}. An estimate from the price table; where "
        f"the legend lists “{NOT_PRICED}”, so many calls are missing in it, wholly or in part.",
        Query(increase(semconv.COST, "1h", [MODEL]), "{{model}}"),
        Query(promql.projected_month(), "projected month"),
        Query(f"{promql.unpriced('1h')} > 0", NOT_PRICED),
        unit="currencyUSD",
        style="stacked",
        overrides=[
            override(
                "^projected month$",
                color=colour(style.ORANGE),
                custom__axisPlacement="right",
                custom__stacking={"mode": "none", "group": "B"},
                custom__fillOpacity=0,
                custom__lineWidth=2,
            ),
            # A count, not USD: for the legend, and drawn on no axis.
            override(
                f"^{NOT_PRICED}$",
                color=colour(style.GREY),
                unit="short",
                custom__axisPlacement="hidden",
                custom__stacking={"mode": "none", "group": "C"},
                custom__fillOpacity=0,
                custom__lineWidth=1,
                custom__lineStyle=DOTTED,
            ),
        ],
        height=_HEIGHT,
        pin=panels.COST_PER_HOUR,
        links=[to_dashboard(panels.COST, "Cost & tenants of this model", **{MODEL: MODEL})],
    )
