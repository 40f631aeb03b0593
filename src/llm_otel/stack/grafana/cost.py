"""The dashboard of who spends what on what."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, MODEL, PROVIDER, TENANT_ID
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql
from llm_otel.stack.grafana.board import to_dashboard
from llm_otel.stack.grafana.cost_tables import (
    HEADS,
    LEVEL,
    bloated,
    cost,
    models,
    movers,
    periods,
    tenants,
)
from llm_otel.stack.grafana.model import Dashboard, Panel, Query, Row
from llm_otel.stack.grafana.operations import OTHERS, PROJECTED
from llm_otel.stack.grafana.promql import (
    ended,
    increase,
    others,
    share,
    top,
)
from llm_otel.stack.grafana.style import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    colour,
    gauges,
    graph,
    override,
    stat,
    step,
)
from llm_otel.stack.prometheus import alerts, budgets, recording, usual
from llm_otel.stack.prometheus.promql import total

_PERIODS: Final = {"Last 24 hours": "24h", "Last 7 days": "7d", "Last 30 days": "30d"}


def dashboard(config: Config) -> Dashboard:
    """Cost & tenants."""
    return Dashboard(
        panels.COST,
        "LLM cost & tenants",
        "What LLM calls cost, by tenant, feature, model and provider; budgets; what changed.",
        "LLM",
        (*_sums(), _daily(config), _budgets(), _bars(TENANT_ID, panels.COST_BY_TENANT),
         _bars(FEATURE)),
        (
            Row("Models and providers", (_bars(MODEL), _bars(PROVIDER), models())),
            Row("Tenants and features", (tenants(),)),
            Row("Hour, day, week, month", tuple(periods(label) for label in HEADS)),
            Row("Top movers", (movers((TENANT_ID, FEATURE)), movers((MODEL, PROVIDER)))),
            Row("Bloated prompts, unpriced calls", (bloated(), _unpriced(), _unknown(config))),
            Row("Saved by the programs' own caches", _saved()),
        ),
        hidden=("percentile",),
        since="now-7d",
        refresh="5m",
        components=("cost",),
    )  # fmt: skip


def _sums() -> tuple[Panel, ...]:
    hour = increase(semconv.COST, "1h")
    return (
        stat("Last hour", "USD spent in the last hour.", hour, unit="currencyUSD"),
        *(
            stat(
                title,
                f"USD spent in the {title.lower()}, of hours that are recorded.",
                f"{cost(window)} or {hour}",
                unit="currencyUSD",
            )
            for title, window in _PERIODS.items()
        ),
        stat(
            "Projected month",
            f"USD that the calendar month will have cost: {PROJECTED}.",
            promql.projected_month(),
            unit="currencyUSD",
            fixed=ORANGE,
        ),
        stat(
            "Calls not priced in full, 24 hours",
            "Calls without a price, with a price for a part of their usage, or without a reported "
            "usage: what these cost is missing from all sums here, which are the least that was "
            "spent.",
            f"{promql.unpriced('24h')} or {hour} * 0",
            unit="short",
            levels=[step(None, GREEN), step(1, ORANGE)],
        ),
    )


def _saved() -> tuple[Panel, ...]:
    by_feature = promql.summed(
        promql.recorded(recording.HOURLY_SAVED, LEVEL[FEATURE]), "$__interval", [FEATURE]
    )
    return (
        stat(
            "Saved by caches",
            "USD that answers from the programs' own caches would have cost, as llm_otel.cached() "
            "reports. What a provider's cache saves is in the price of the calls.",
            promql.over_range(semconv.COST_SAVED, recording.HOURLY_SAVED, LEVEL[FEATURE]),
            unit="currencyUSD",
            fixed=GREEN,
            width=6,
            height=8,
        ),
        stat(
            "Savings not known, 24 hours",
            "Answers from the programs' own caches without a price, or without their tokens: what "
            "these saved is missing from the sum.",
            increase(semconv.SAVED_UNKNOWN_TOTAL, "24h"),
            unit="short",
            levels=[step(None, GREEN), step(1, ORANGE)],
            width=6,
            height=8,
        ),
        graph(
            "Saved by feature",
            "USD that the programs' own caches saved in each bar, an hour or wider.",
            Query(top(by_feature), f"{{{{{FEATURE}}}}}"),
            Query(others(by_feature), OTHERS),
            unit="currencyUSD",
            style="bars",
            calcs=("sum", "max"),
            overrides=[override(f"^{OTHERS}$", color=colour(GREY))],
            interval="1h",
            points=48,
            width=12,
            height=8,
        ),
    )


def _daily(config: Config) -> Panel:
    limits = alerts.of_panel(panels.DAILY_COST).limits_in(config)
    day = total((), promql.of_services(usual.USUAL_DAY))
    lines = [] if limits is None else [
        Query(f"{day} * {level:g}", f"{name}: {level:.0%} of a usual day")
        for name, level in (("warning", limits.warning), ("critical", limits.critical))
        if level is not None
    ]  # fmt: skip
    plain = {
        "custom__stacking": {"mode": "none", "group": "B"},
        "custom__fillOpacity": 0,
        "custom__lineStyle": {"fill": "dash", "dash": [8, 8]},
    }
    return graph(
        "Cost of the last 24 hours",
        "USD spent in the 24 hours before each point, by model. The dashed lines are the alert's: "
        "multiples of a usual day (the same weekdays of the two weeks before, or else the days of "
        "its kind), drawn while services alone are chosen.",
        Query(top(cost("1d", [MODEL])), "{{model}}"),
        *lines,
        Query(others(cost("1d", [MODEL])), OTHERS),
        unit="currencyUSD",
        style="stacked",
        overrides=[
            override(f"^{OTHERS}$", color=colour(GREY)),
            override("^warning", color=colour(ORANGE), **plain),
            override("^critical", color=colour(RED), **plain),
        ],
        interval="1h",
        points=120,
        width=16,
        height=10,
        pin=panels.DAILY_COST,
        links=[to_dashboard(panels.OPERATIONS, "Operations of this model", **{MODEL: MODEL})],
    )


def _budgets() -> Panel:
    own = f'{TENANT_ID}=~"${TENANT_ID}|", {FEATURE}=~"${FEATURE}|"'
    shares = " or ".join(
        f'label_replace({name}{{{own}}}, "share", "{word}", "", "")'
        for word, name in {
            "spent": budgets.BUDGET_USED,
            "projected": budgets.BUDGET_PROJECTED,
        }.items()
    )
    return gauges(
        "Budget use, this month",
        "Share of each monthly budget that is spent, and that will be at the mean pace of "
        "the last 7 days, the fullest first. Budgets are set in llm-otel.yaml; months are UTC.",
        # An instant query answers the highest first.
        Query(f"topk($topk, {shares})", "{{scope}} {{tenant_id}}{{feature}} {{share}}", True),
        unit="percentunit",
        top=1.2,
        nothing="No budget is set",
        width=8,
        height=10,
        pin=panels.BUDGET_USE,
    )


def _bars(label: str, pin: panels.Panel | None = None) -> Panel:
    head = HEADS[label]
    spent = cost("$__interval", [label], LEVEL[label])
    return graph(
        f"Cost by {head.lower()}",
        f"USD by {head.lower()} in each bar, an hour or wider; the legend has the sums.",
        Query(top(spent), f"{{{{{label}}}}}"),
        Query(others(spent), OTHERS),
        unit="currencyUSD",
        style="bars",
        calcs=("sum", "max"),
        overrides=[override(f"^{OTHERS}$", color=colour(GREY))],
        interval="1h",
        points=48,
        width=12,
        height=10,
        pin=pin,
        links=[to_dashboard(panels.OPERATIONS, f"Operations of this {head.lower()}",
                            **{label: label})],
    )  # fmt: skip


def _unpriced() -> Panel:
    by = (PROVIDER, MODEL)
    return graph(
        "Unpriced calls",
        "Calls in the hour before each point whose usage has no price, or has one in part. Give "
        "the model one in llm-otel.yaml, under `prices:`.",
        Query(increase(semconv.REQUESTS_UNPRICED, "1h", by), "{{provider}} {{model}}"),
        unit="short",
        nothing="Every call has a price",
        width=8,
        height=10,
        pin=panels.UNPRICED,
    )


def _unknown(config: Config) -> Panel:
    over = alerts.of_panel(panels.USAGE_UNKNOWN).window_in(config)
    without_usage = increase(semconv.USAGE_UNKNOWN_TOTAL, over, [MODEL])
    calls = ended(over, [MODEL], (MODEL, PROVIDER))
    return graph(
        "Calls without usage",
        f"Share of the calls of {over} that should report their tokens and did not: these and "
        "their cost are missing. Dashed where the alert warns.",
        Query(share(without_usage, calls), "{{model}}"),
        unit="percentunit",
        width=8,
        height=10,
        pin=panels.USAGE_UNKNOWN,
    )
