"""The home dashboard: is it fast, what does it cost, does it fail?"""

from __future__ import annotations

from typing import Any, Final

from llm_otel import semconv
from llm_otel.semconv import (
    ERROR_TYPE_LABEL,
    FEATURE,
    INPUT,
    MODEL,
    OUTPUT,
    SLO_ERROR_CLASSES,
    TOKEN_TYPE,
)
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql, style
from llm_otel.stack.grafana.board import to_dashboard, to_panel, to_traces
from llm_otel.stack.grafana.details import rows
from llm_otel.stack.grafana.model import Dashboard, Panel, Query
from llm_otel.stack.grafana.promql import increase, share
from llm_otel.stack.grafana.style import ANY, colour, graph, override, stat, steps
from llm_otel.stack.prometheus import alerts

PROJECTED: Final = (
    "the month to date (UTC) and the rest at the mean of the last 7 days, or of those there are; "
    "of everything, or of chosen tenants or features, not of a service, provider or model"
)
NOT_PRICED: Final = "calls not priced in full"
OTHERS: Final = "all others"
DOTTED: Final = {"fill": "dot", "dash": [2, 4]}
_HEIGHT: Final = 14


def dashboard(config: Config) -> Dashboard:
    """LLM operations."""
    return Dashboard(
        panels.OPERATIONS,
        "LLM operations",
        "Whether LLM calls fail, how long they take and what they cost; details in the rows below.",
        "LLM",
        (*_strip(config), _latency(config), _tokens(), _cost()),
        rows(config),
        components=("llm", "cost"),
    )


def _strip(config: Config) -> tuple[Panel, ...]:
    """Four figures above the graphs, each of which leads to its panel."""
    errors = alerts.of_panel(panels.ERROR_SHARE)
    slow = alerts.of_panel(panels.LATENCY)
    over, latency_over = errors.window_in(config), slow.window_in(config)
    failed = promql.failed(over, (), promql.either(ERROR_TYPE_LABEL, SLO_ERROR_CLASSES))
    p = promql.quantile("$percentile", semconv.REQUEST_DURATION, latency_over, ())
    size: dict[str, Any] = {"width": 6, "height": 3}
    return (
        stat("Error share", f"Share of the calls of the last {over} that failed, of the classes "
             "that count against the objective. Coloured as the alert by model.",
             share(failed, promql.calls(over, ())), unit="percentunit", decimals=1,
             levels=steps(errors.limits_in(config)),
             links=[to_panel(panels.ERROR_SHARE, "Error share by model")], **size),
        stat("Latency, ${percentile:text}", f"How long the calls of the last {latency_over} took, "
             "of all models together. Coloured as the alert on P95 by model.", p, unit="s",
             levels=steps(slow.limits_in(config)),
             links=[to_panel(panels.LATENCY, "Latency by model")], **size),
        stat("Cost, last hour", "USD spent in the last hour.", increase(semconv.COST, "1h"),
             unit="currencyUSD", links=[to_dashboard(panels.COST, "Cost & tenants")], **size),
        stat("Alerts firing", "Alerts that fire now, the watchdog left out.",
             f"count({promql.firing()}) or vector(0)", unit="short", levels=ANY,
             links=[to_panel(panels.FIRING, "Which alerts fire")], **size),
    )  # fmt: skip


def _latency(config: Config) -> Panel:
    over = alerts.of_panel(panels.LATENCY).window_in(config)
    duration = promql.quantile("$percentile", semconv.REQUEST_DURATION, over, [MODEL])
    return graph(
        "Latency by model, ${percentile:text}",
        f"How long calls took over {over}, stream included, of the slowest models, on a "
        "logarithmic axis. The dashed lines are where the alert on P95 warns and pages. Dots are "
        "exemplars: each leads to the trace of one call.",
        Query(promql.top(duration, "max"), "{{model}}"),
        Query(promql.exemplars(semconv.REQUEST_DURATION), exemplar=True),
        unit="s",
        custom={
            "scaleDistribution": {"type": "log", "log": 2},
            "axisSoftMin": 0.125,
            "axisSoftMax": 16,
            "fillOpacity": 0,
        },
        zero=False,
        height=_HEIGHT,
        pin=panels.LATENCY,
        links=[to_traces("Traces of this model", **{MODEL: MODEL})],
    )


def _tokens() -> Panel:
    by = (MODEL, FEATURE)
    tokens = {
        word: increase(semconv.TOKENS_CONSUMED, "1h", by, f'{TOKEN_TYPE}="{kind}"')
        for kind, word in {INPUT: "in", OUTPUT: "out"}.items()
    }
    return graph(
        "Tokens per hour by model and feature",
        "Tokens billed in the hour before each point: input above the line, output below it. "
        "Input includes cached tokens, output includes reasoning.",
        *(
            Query(promql.top(expr), f"{word} · {{{{model}}}} · {{{{feature}}}}")
            for word, expr in tokens.items()
        ),
        *(Query(promql.others(expr), f"{word} · {OTHERS}") for word, expr in tokens.items()),
        unit="short",
        style="stacked",
        zero=False,
        overrides=[
            override("^out ", custom__transform="negative-Y"),
            override(f" {OTHERS}$", color=colour(style.GREY)),
        ],
        height=_HEIGHT,
        pin=panels.TOKENS,
        links=[to_traces("Traces behind it", **{MODEL: MODEL, FEATURE: FEATURE})],
    )


def _cost() -> Panel:
    spent = increase(semconv.COST, "1h", [MODEL])
    return graph(
        "Cost per hour, projected month",
        "USD spent in the hour before each point, by model. The line, on the right axis, is what "
        f"the calendar month will have cost: {PROJECTED}. An estimate from the price table; where "
        f"the legend lists “{NOT_PRICED}”, so many calls are missing in it, wholly or in part.",
        Query(promql.top(spent), "{{model}}"),
        Query(promql.others(spent), OTHERS),
        Query(promql.projected_month(), "projected month"),
        Query(f"{promql.unpriced('1h')} > 0", NOT_PRICED),
        unit="currencyUSD",
        style="stacked",
        overrides=[
            override(f"^{OTHERS}$", color=colour(style.GREY)),
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
