"""What the month has cost so far, and how much of its budget that is.

A sum of recorded hours lacks every hour at whose end Prometheus was down. These rules read the
counters instead: each evaluation computes the cost of today and of the days before it anew, and a
day's label says which day it is. So what was missed, or came late, is there with the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llm_otel import projected_month, semconv
from llm_otel.monthly_budgets import ANY
from llm_otel.semconv import FEATURE, TENANT_ID
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus.promql import base, total
from llm_otel.stack.prometheus.rule import Rule

BUDGETED: Final = ("scope", TENANT_ID, FEATURE)
# The longest outage that leaves no hole: a weekend.
DAYS_BACK: Final = 3

_CALLER: Final = (TENANT_ID, FEATURE)
_COST: Final = base(semconv.COST)
# By the UTC day (20261130), without the hour that is not over.
DAY_COST: Final = f"tenant_feature_day:{_COST}:increase"
HOUR_COST: Final = f"tenant_feature:{_COST}:increase_since_hour"
CALLER_MONTH: Final = f"tenant_feature:{_COST}:month_to_date"
CALLER_WEEK: Final = f"tenant_feature:{_COST}:increase7d"
# How many of these seven days there are, while the caller is younger.
CALLER_WEEK_DAYS: Final = f"tenant_feature:{_COST}:days_of_7d"

# By scope total, tenant or feature, with the label of the latter two.
MONTH_TO_DATE: Final = f"scope:{_COST}:month_to_date"
MONTH_PROJECTED: Final = f"scope:{_COST}:month_projected"
BUDGET: Final = "scope:gen_ai_budget_usd:limit"
BUDGET_USED: Final = "scope:gen_ai_budget:used_ratio"
BUDGET_PROJECTED: Final = "scope:gen_ai_budget:projected_ratio"


def rules(config: Config) -> Iterator[Rule]:
    """The cost of days and of the month, then the budgets."""
    yield Rule(DAY_COST, _days())
    yield Rule(HOUR_COST, _since_hour())
    yield Rule(CALLER_MONTH, _month())
    yield Rule(CALLER_WEEK, _week())
    yield Rule(CALLER_WEEK_DAYS, _week_days())
    for scope, label in (("total", ()), ("tenant", (TENANT_ID,)), ("feature", (FEATURE,))):
        yield Rule(MONTH_TO_DATE, total(label, CALLER_MONTH), {"scope": scope})
        projected = projected_month.promql(
            total(label, CALLER_MONTH),
            total(label, CALLER_WEEK),
            f"max by ({', '.join(label)}) ({CALLER_WEEK_DAYS})",
        )
        yield Rule(MONTH_PROJECTED, projected, {"scope": scope})
    if config.budgets.total is not None:
        yield Rule(BUDGET, f"vector({config.budgets.total:g})", {"scope": "total"})
    for scope, key, budgets in (
        ("tenant", TENANT_ID, config.budgets.tenants),
        ("feature", FEATURE, config.budgets.features),
    ):
        yield from _limits(scope, key, budgets)
    by = ", ".join(BUDGETED)
    for name, spent in ((BUDGET_USED, MONTH_TO_DATE), (BUDGET_PROJECTED, MONTH_PROJECTED)):
        yield Rule(name, f"{spent} / on ({by}) {BUDGET}")


def _days() -> str:
    """The cost of each full hour, as the counters have it now, by the day that it belongs to.

    The difference to an hour ago bridges a gap in which nothing arrived. A counter that is new or
    began anew has none: of that one, what it grew by within the hour.
    """
    counter = semconv.COST.prometheus
    now, hour_ago = f"last_over_time({counter}[1d])", f"last_over_time({counter}[1d] offset 1h)"
    bridged = f"(({now} - {hour_ago}) >= 0 unless resets({counter}[1h]) > 0)"
    middle = "vector(time() - 1800)"
    day = _day(middle)
    hours = (
        f"{total(_CALLER, f'{bridged} or increase({counter}[1h])')} > 0\n"
        f'  ) * on () group_left (day) count_values("day", {day})'
    )
    return f"sum_over_time((\n  (\n  {hours}\n)[{DAYS_BACK}d:1h])"


def _day(moment: str) -> str:
    """The UTC day that a moment is in, as a number: 20261130."""
    return f"year({moment}) * 10000 + month({moment}) * 100 + day_of_month({moment})"


def _since_hour() -> str:
    """The cost since the last full hour: a counter's growth since its value then."""
    counter = semconv.COST.prometheus
    now = f"last_over_time({counter}[1d])"
    # A subquery's steps are full hours of the clock: this one has a single step, the last hour's.
    then = f"last_over_time({now}[1h:1h])"
    return total(
        _CALLER,
        f"\n  ({now} - {then}) >= 0\n  or {now} < {then}\n"
        f"  or (increase({counter}[1h]) unless {then})\n",
    )


def _month() -> str:
    """The largest that was recorded of each day, as older days slide out of what is read."""
    days = f'label_replace(max_over_time({DAY_COST}[32d]), "month", "$1", "day", "(.{{6}}).*")'
    month = 'count_values("month", year(vector(time())) * 100 + month(vector(time())))'
    return total(_CALLER, f"\n  ({days} and on (month) {month})\n  or {HOUR_COST}\n")


def _week() -> str:
    """The last seven times 24 hours: today, six whole days, and the rest of the one before."""
    days = range(projected_month.PACE.days + 1)
    rest = "scalar(1 - hour(vector(time())) / 24 - minute(vector(time())) / 1440)"
    parts = [
        f'count_values("day", {_day(f"vector(time() - {n * 86_400})")})'
        + (f" * {rest}" if n == days[-1] else "")
        for n in days
    ]
    day_matches = "\n    or ".join(parts)
    return total(
        _CALLER,
        f"\n  max_over_time({DAY_COST}[{days[-1] + DAYS_BACK}d]) * on (day) group_left () (\n"
        f"    {day_matches}\n  )\n  or {HOUR_COST}\n",
    )


def _week_days() -> str:
    """Days since the caller's first full hour, of two weeks: who rests at weekends is no younger
    for that."""
    reach = projected_month.REACH.days
    first = f"min_over_time(timestamp({DAY_COST})[{reach}d:1h])"
    age = f"(time() + 3600 - min by ({', '.join(_CALLER)}) ({first})) / 86400"
    return (
        f"clamp({age}, 1 / 24, {projected_month.PACE.days})\n"
        f"or 0 * {total(_CALLER, HOUR_COST)} + 1 / 24"
    )


def _limits(scope: str, label: str, budgets: Mapping[str, float]) -> Iterator[Rule]:
    keys = sorted(set(budgets) - {ANY})
    for key in keys:
        yield Rule(BUDGET, f"vector({budgets[key]:g})", {"scope": scope, label: key})
    if ANY in budgets:
        others = "".join(f',{label}!="{key}"' for key in (semconv.NONE, *keys))
        yield Rule(BUDGET, f'0 * {MONTH_TO_DATE}{{scope="{scope}"{others}}} + {budgets[ANY]:g}')
