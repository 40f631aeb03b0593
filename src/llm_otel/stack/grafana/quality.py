"""The dashboard of what the calls are good for, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.semconv import EVALUATION, FEATURE, KIND, MODEL, TENANT_ID
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana.board import to_dashboard
from llm_otel.stack.grafana.model import Dashboard, Panel, Query, Row
from llm_otel.stack.grafana.promql import (
    BY_SCORED_MODEL,
    BY_TENANT,
    filters,
    increase,
    mean,
    over_range,
    recorded,
    share,
    summed,
)
from llm_otel.stack.grafana.shared import SUCCEEDED, cost_per_success, scores, success_rate
from llm_otel.stack.grafana.style import (
    GREEN,
    ORANGE,
    RED,
    colour,
    graph,
    override,
    stat,
    step,
    steps_below,
)
from llm_otel.stack.grafana.tables import Column, table
from llm_otel.stack.prometheus import alerts, recording

# As on the page of the same name; see `llm_otel.lake.queries.roi`.
_ROI: Final = "(value − cost) / cost"
_OWN: Final = (FEATURE, TENANT_ID)
_GROUP: Final = (TENANT_ID, FEATURE)


def dashboard(config: Config) -> Dashboard:
    """Quality & ROI."""
    return Dashboard(
        panels.QUALITY,
        "LLM quality & ROI",
        "Whether interactions succeed, whether scores drift, and what a success costs and brings.",
        "LLM",
        (
            *_sums(config),
            success_rate(config, 12),
            scores(12),
        ),
        (
            Row("Drift", (_drift(config), _kinds())),
            Row("Cost and value", (cost_per_success(12), _value())),
            Row("ROI by tenant and feature", (_returns(),)),
        ),
        hidden=("percentile", "topk"),
        since="now-7d",
        refresh="5m",
        components=("quality",),
    )


def _hourly(name: str, *more: str) -> str:
    return f"{name}{{{filters(_OWN, *more)}}}"


def _outcomes(by: Sequence[str], *more: str) -> str:
    hourly = summed(_hourly(recording.HOURLY_OUTCOMES, *more), "$__range", by)
    return f"({hourly} or {increase(semconv.OUTCOMES, '1h', by, *more)})"


def _value_of(by: Sequence[str]) -> str:
    hourly = summed(_hourly(recording.HOURLY_VALUE), "$__range", by)
    return f"({hourly} or {increase(semconv.OUTCOME_VALUE_USD, '1h', by)})"


def _cost_of(by: Sequence[str]) -> str:
    return f"({over_range(semconv.COST, recording.HOURLY_COST, BY_TENANT, by)})"


def _cost_of_outcomes() -> str:
    """Of the features that report outcomes: nobody says what the others are for."""
    by = (FEATURE,)
    return f"sum({_cost_of(by)} and on ({FEATURE}) {_outcomes(by)})"


def _roi(value: str, cost: str) -> str:
    return f"({value} - {cost}) / ({cost} > 0)"


def _mean_score(window: str, by: Sequence[str], level: str, *, ago: str = "") -> str:
    labels = (*_OWN, MODEL)
    values, count = (
        summed(recorded(name, level, labels=labels), window, by, ago=ago)
        for name in (recording.HOURLY_SCORE_SUM, recording.HOURLY_SCORES)
    )
    return f"{values} / ({count} > 0)"


def _sums(config: Config) -> tuple[Panel, ...]:
    score = (
        f"{_mean_score('$__range', (), BY_TENANT)} or {mean(semconv.EVALUATION_SCORE, '1h', ())}"
    )
    won, all_, cost, value = _outcomes((), SUCCEEDED), _outcomes(()), _cost_of(()), _value_of(())
    good = steps_below(alerts.of_panel(panels.SUCCESS_RATE).limits_in(config))
    paid = [step(None, ORANGE), step(0, GREEN)]
    return (
        stat("Outcomes", "Interactions that were reported as a success or a failure.", all_,
             unit="short"),
        stat("Success rate", "Share of the outcomes that were successes.", share(won, all_),
             unit="percentunit", levels=good, decimals=1),
        stat("Mean score", "Mean of all evaluations, 0 to 1.", score,
             unit="percentunit", decimals=1),
        stat("Cost per success", "USD that all calls cost, for each success.",
             f"{cost} / ({won} > 0)", unit="currencyUSD"),
        stat("Value", "USD that outcomes brought, as the application says.", value,
             unit="currencyUSD", fixed=GREEN),
        stat("ROI", f"{_ROI}; the cost is that of the features that report outcomes.",
             _roi(value, _cost_of_outcomes()), unit="percentunit", decimals=0, levels=paid),
    )  # fmt: skip


def _drift(config: Config) -> Panel:
    drift = alerts.of_panel(panels.DRIFT)
    limits = drift.limits_in(config)
    levels = [] if limits is None else [
        step(None, RED),
        step(-(limits.critical or 1), ORANGE),
        step(-(limits.warning or 1), GREEN),
    ]  # fmt: skip
    by = (EVALUATION, MODEL)
    recent = drift.window_in(config)
    now = _mean_score(recent, by, BY_SCORED_MODEL)
    before = _mean_score("7d", by, BY_SCORED_MODEL, ago=recent)
    return table(
        f"Drift: the last {recent} against the week before",
        "Mean score by evaluation and model, of hours that are recorded. A fall that none of "
        "your releases explains comes from the model.",
        {EVALUATION: "Evaluation", MODEL: "Model"},
        Column("Drift", f"({now}) / ({before}) - 1", "percentunit", 1, levels=levels),
        Column(f"Last {recent}", now, "percentunit", 1),
        Column("Week before", before, "percentunit", 1),
        width=12,
        pin=panels.DRIFT,
    )


def _kinds() -> Panel:
    return graph(
        "Outcomes by kind",
        "Outcomes in each bar, an hour or wider.",
        Query(
            summed(_hourly(recording.HOURLY_OUTCOMES), "$__interval", (KIND, semconv.OUTCOME)),
            "{{kind}} {{outcome}}",
        ),
        unit="short",
        style="bars",
        calcs=("sum", "max"),
        interval="1h",
        points=48,
        width=12,
    )


def _value() -> Panel:
    value = summed(_hourly(recording.HOURLY_VALUE), "$__interval")
    cost = summed(recorded(recording.HOURLY_COST, BY_TENANT), "$__interval")
    return graph(
        "Value and cost",
        "USD that outcomes brought and that calls cost in each bar, an hour or wider.",
        Query(value, "value"),
        Query(cost, "cost"),
        unit="currencyUSD",
        calcs=("sum", "max"),
        overrides=[
            override("^value$", color=colour(GREEN)),
            override("^cost$", color=colour(ORANGE)),
        ],
        interval="1h",
        points=48,
        width=12,
        links=[to_dashboard(panels.COST, "Cost & tenants")],
    )


def _returns() -> Panel:
    won, all_ = _outcomes(_GROUP, SUCCEEDED), _outcomes(_GROUP)
    value, cost = _value_of(_GROUP), _cost_of(_GROUP)
    return table(
        "ROI by tenant and feature",
        f"The time range. {_ROI}; a feature whose application reports no value has none.",
        {TENANT_ID: "Tenant", FEATURE: "Feature"},
        Column("Value", value, "currencyUSD", bar=True, total=True),
        Column("Cost", cost, "currencyUSD", total=True),
        Column("ROI", _roi(value, cost), "percentunit", 0),
        Column("Success rate", share(won, all_), "percentunit", 1),
        Column("Cost per success", f"{cost} / ({won} > 0)", "currencyUSD"),
        width=24,
        height=12,
    )
