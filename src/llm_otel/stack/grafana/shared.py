"""Panels that more than one dashboard has."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.semconv import EVALUATION, FEATURE, KIND, MODEL, OUTCOME, SUCCESS
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql
from llm_otel.stack.grafana.board import to_dashboard
from llm_otel.stack.grafana.model import Panel, Query
from llm_otel.stack.grafana.promql import increase, share
from llm_otel.stack.grafana.style import graph
from llm_otel.stack.prometheus import alerts

SUCCEEDED = f'{OUTCOME}="{SUCCESS}"'


def quality(config: Config, width: int) -> tuple[Panel, ...]:
    """Success, scores, and what a success costs, hour by hour.

    Args:
        config: Where the thresholds come from.
        width: Of each panel.
    """
    return (success_rate(config, width), scores(width), cost_per_success(width))


def success_rate(config: Config, width: int) -> Panel:
    """The share of outcomes that are successes."""
    over = alerts.of_panel(panels.SUCCESS_RATE).window_in(config)
    by = (FEATURE, KIND)
    won = increase(semconv.OUTCOMES, over, by, SUCCEEDED)
    return graph(
        "Success rate by feature",
        f"Share of the outcomes reported in {over} that were successes. Dashed where the alert "
        "warns and pages. Outcomes know neither provider nor model.",
        Query(share(won, increase(semconv.OUTCOMES, over, by)), "{{feature}} · {{kind}}"),
        unit="percentunit",
        defaults={"max": 1},
        calcs=("lastNotNull", "min"),
        width=width,
        pin=panels.SUCCESS_RATE,
        links=[to_dashboard(panels.QUALITY, "Quality of this feature", **{FEATURE: FEATURE})],
    )


def scores(width: int) -> Panel:
    """The mean of each evaluation."""
    by = (EVALUATION, MODEL)
    return graph(
        "Evaluation scores",
        "Mean score, 0 to 1, of the hour before each point. Scores know no provider.",
        Query(promql.mean(semconv.EVALUATION_SCORE, "1h", by), "{{evaluation}} · {{model}}"),
        unit="percentunit",
        defaults={"max": 1},
        calcs=("lastNotNull", "min"),
        width=width,
        pin=panels.SCORES,
        links=[to_dashboard(panels.QUALITY, "Quality of this model", **{MODEL: MODEL})],
    )


def cost_per_success(width: int) -> Panel:
    """What all calls of a feature cost, by what succeeded."""
    won = increase(semconv.OUTCOMES, "1h", [FEATURE], SUCCEEDED)
    return graph(
        "Cost per successful interaction",
        "USD that a feature's calls cost in the hour before each point, failed ones too, for each "
        "of its successes.",
        Query(f"{increase(semconv.COST, '1h', [FEATURE])} / ({won} > 0)", "{{feature}}"),
        unit="currencyUSD",
        width=width,
        links=[to_dashboard(panels.COST, "Cost of this feature", **{FEATURE: FEATURE})],
    )
