"""The alerts on money: spent, about to be spent, or not counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import budgets, recording, usual
from llm_otel.stack.prometheus.alert import Alert, Condition, Money
from llm_otel.stack.prometheus.promql import BY_SOURCE, SOURCE, grown, observed

_COST: Final = "cost"
# Of everything, or of one tenant or feature.
_WHOSE: Final = (
    '{{{{ if eq $labels.scope "total" }}}}everything'
    "{{{{ else }}}}{{{{ $labels.scope }}}} {tenant_id}{feature}{{{{ end }}}}"
)


def _has_history(series: str, history: str | None) -> str:
    """Whether that was there so long ago."""
    return f"present_over_time({series}[7d] offset {history})"


def _daily(_: Config, limits: Limits) -> Condition:
    day = usual.SERVICE_DAY
    return Condition(
        f"{day}\n/ ({usual.USUAL_DAY} > 0)",
        (f"{day} >= {limits.minimum:g}", _has_history(day, limits.history)),
    )


def _hourly(_: Config, limits: Limits) -> Condition:
    series = usual.SERVICE_COST
    hour = grown(semconv.COST, "1h", SOURCE)
    # The most expensive hour, not the mean: a nightly job is no spike.
    return Condition(
        f"{hour}\n/ (max_over_time({series}[7d] offset 1h) > 0)",
        (f"{hour} >= {limits.minimum:g}", _has_history(series, limits.history)),
    )


def _tokens(_: Config, limits: Limits) -> Condition:
    hour = grown(semconv.TOKENS_CONSUMED, "1h", SOURCE)
    return Condition(
        f"{hour}\n/ ({usual.USUAL_TOKENS} > 0)",
        (f"{hour} >= {limits.minimum:g}", _has_history(usual.SERVICE_TOKENS, limits.history)),
    )


def _projected(_: Config, limits: Limits) -> Condition:
    # The first hours of a tenant say what its month will cost, but nothing that one is woken for.
    return Condition(
        budgets.BUDGET_PROJECTED, (_has_history(budgets.MONTH_TO_DATE, limits.history),)
    )


def _used(_: Config, __: Limits) -> Condition:
    return Condition(budgets.BUDGET_USED)


def _unpriced(_: Config, limits: Limits) -> Condition:
    return Condition(grown(semconv.REQUESTS_UNPRICED, str(limits.window), recording.CALLER))


def _usage_unknown(_: Config, limits: Limits) -> Condition:
    window = str(limits.window)
    calls = f"(\n{observed(semconv.REQUEST_DURATION, window, recording.CALLER)}\n)"
    without_usage = grown(semconv.USAGE_UNKNOWN_TOTAL, window, recording.CALLER)
    return Condition(f"{without_usage}\n/ {calls}", (f"{calls} >= {limits.minimum:g}",))


def _prices_age(_: Config, __: Limits) -> Condition:
    return Condition(f"max by ({BY_SOURCE}) ({semconv.PRICES_AGE.prometheus})")


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        key="daily_cost",
        name="LLMDailyCostHigh",
        component=_COST,
        panel=panels.DAILY_COST,
        limits=Limits(
            "times",
            warning=1.2,
            critical=2,
            minimum=1,
            minimum_unit="USD",
            history="2d",
            for_="15m",
        ),
        summary="{service_name}: [the last 24|24] hours cost {usd}{value} a usual day",
        description=(
            "A usual day is the mean of the same weekday in each of the two weeks before, or else"
            " of the days of its kind (weekday or weekend) in the last week. At least {history}"
            " before are known, and days below {minimum} do not count."
        ),
        condition=_daily,
        money=Money(usual.USUAL_DAY, SOURCE),
    ),
    Alert(
        key="hourly_cost",
        name="LLMHourlyCostSpike",
        component=_COST,
        panel=panels.COST_PER_HOUR,
        limits=Limits("times", warning=3, critical=6, minimum=1, minimum_unit="USD", history="1d"),
        summary=(
            "{service_name}: [the last|an] hour cost {usd}{value} the most expensive hour of the"
            " week"
        ),
        description=(
            "Compared with the most expensive hour of the last 7 days, once there are {history}"
            " of history; hours below {minimum} do not count."
        ),
        condition=_hourly,
        money=Money(f"max_over_time({usual.SERVICE_COST}{{labels}}[7d] offset 1h)", SOURCE),
    ),
    Alert(
        key="tokens",
        name="LLMTokensUnusual",
        component=_COST,
        panel=panels.TOKENS,
        limits=Limits(
            "times",
            warning=1.5,
            critical=3,
            minimum=10_000,
            minimum_unit="tokens",
            history="1d",
            for_="15m",
        ),
        summary="{service_name}: [the last|an] hour took {value} the usual tokens",
        description=(
            "Usual is the mean of the same hour on this weekday in each of the two weeks before,"
            " or else on the days of its kind (weekday or weekend) in the last week. At least"
            " {history} before is known, and hours below {minimum} do not count."
        ),
        condition=_tokens,
        money=Money(usual.SERVICE_COST, SOURCE, is_unit=False),
    ),
    Alert(
        key="budget_projected",
        name="LLMBudgetProjected",
        component=_COST,
        panel=panels.BUDGET_USE,
        limits=Limits("share", warning=0.8, critical=1, history="1d", for_="1h"),
        summary=f"The month of {_WHOSE} [will|was to] end at {{usd}}{{value}} of its budget",
        description=(
            "The month to date (UTC), and what is left of it at the mean pace of the last 7 days,"
            " of which {history} at least is known."
        ),
        condition=_projected,
        money=Money(budgets.BUDGET, budgets.BUDGETED),
    ),
    Alert(
        key="budget_used",
        name="LLMBudgetUsed",
        component=_COST,
        panel=panels.BUDGET_USE,
        limits=Limits("share", info=0.5, warning=0.8, critical=1, for_="0s"),
        summary=f"{{usd}}{{value}} of this month's budget of {_WHOSE} [is|was] spent",
        description="The calendar month is that of UTC; the figure is at most an hour old.",
        condition=_used,
        money=Money(budgets.BUDGET, budgets.BUDGETED),
        shows_levels=True,
    ),
    Alert(
        key="unpriced",
        name="LLMModelUnpriced",
        component=_COST,
        panel=panels.UNPRICED,
        limits=Limits("calls", warning=0, window="1h", for_="0s"),
        summary=(
            "{service_name}: {model} at {provider} [lacks|lacked] a price: {value} cost more than"
            " [is|was] known"
        ),
        description=(
            "These calls of {window} are missing in every figure of cost, wholly or in part."
        ),
        condition=_unpriced,
    ),
    Alert(
        key="usage_unknown",
        name="LLMUsageMissing",
        component=_COST,
        panel=panels.USAGE_UNKNOWN,
        limits=Limits("share", warning=0.05, window="1h", minimum=20),
        summary=(
            "{service_name}: {model} at {provider} [reports|reported] no usage for {value} of calls"
        ),
        description="Their tokens and cost are missing; of at least {minimum} in {window}.",
        condition=_usage_unknown,
        shows_levels=True,
    ),
    Alert(
        key="prices_age",
        name="LLMPricesOld",
        component=_COST,
        panel=panels.PRICES,
        limits=Limits("s", warning=90 * 86400, for_="1h"),
        summary="{service_name}: its table of prices [is|was] {value} old",
        description="Prices change about monthly; cost drifts away from the bill.",
        condition=_prices_age,
        shows_levels=True,
    ),
)
