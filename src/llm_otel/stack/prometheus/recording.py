"""Recording rules: what alerts and dashboards read instead of raw series.

A name is `level:metric:operation`; the level lists the labels that are left. Rules whose window is
a setting carry the window in their name, so look a name up by the functions here. What looks back
further than a day sums the hourly rules: raw series would be slow, and lost after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, MODEL, PROVIDER, TENANT_ID
from llm_otel.stack.config import Config
from llm_otel.stack.limits import seconds
from llm_otel.stack.prometheus import budgets, usual
from llm_otel.stack.prometheus.hourly import COUNT, SUM, growth
from llm_otel.stack.prometheus.promql import (
    SERVICE,
    base,
    grown,
    matcher,
    observed,
    quantile,
    total,
    union,
)
from llm_otel.stack.prometheus.rule import Group, Rule

CALLER: Final = (SERVICE, MODEL, PROVIDER)
QUANTILES: Final = (50, 95, 99)

_NAME: Final = re.compile(r"[\w:]+")

_DETAIL: Final = (SERVICE, MODEL, PROVIDER, TENANT_ID, FEATURE)
_DETAILED: Final = "service_model_provider_tenant_feature"
HOURLY_COST: Final = f"{_DETAILED}:{base(semconv.COST)}:increase1h"
HOURLY_TOKENS: Final = f"{_DETAILED}:{base(semconv.TOKENS_CONSUMED)}:increase1h"
HOURLY_REQUESTS: Final = f"{_DETAILED}:gen_ai_requests:increase1h"
HOURLY_ERRORS: Final = f"{_DETAILED}:{base(semconv.ERRORS)}:increase1h"
HOURLY_SCORES: Final = (
    f"service_model_tenant_feature:{base(semconv.EVALUATION_SCORE)}_count:increase1h"
)
HOURLY_SCORE_SUM: Final = (
    f"service_model_tenant_feature:{base(semconv.EVALUATION_SCORE)}_sum:increase1h"
)
HOURLY_OUTCOMES: Final = f"service_tenant_feature:{base(semconv.OUTCOMES)}:increase1h"
HOURLY_VALUE: Final = f"service_tenant_feature:{base(semconv.OUTCOME_VALUE_USD)}:increase1h"

# Sums of the detailed series. Dashboards read these while no variable needs a label they lack.
SUMMARIES: Final = {
    "service_model_provider": CALLER,
    "service_model": (SERVICE, MODEL),
    "service_tenant_feature": (SERVICE, TENANT_ID, FEATURE),
}

_RATE_WINDOW: Final = "5m"
REQUEST_RATE: Final = f"service:gen_ai_requests:rate{_RATE_WINDOW}"
ERROR_RATE: Final = f"service:{base(semconv.ERRORS)}:rate{_RATE_WINDOW}"
HEARD: Final = "service:llm_otel_series:count"
ACTIVE: Final = f"service_model_provider:{base(semconv.REQUESTS_ACTIVE)}:sum"
HEADROOM: Final = "service_model_provider:gen_ai_ratelimit:remaining_ratio"


def requests(window: str) -> str:
    """The name of: calls that ended in the window, by service, model and provider."""
    return f"service_model_provider:gen_ai_requests:increase_{window}"


def errors(window: str) -> str:
    """The name of: calls that failed in the window, likewise and by error_type."""
    return f"service_model_provider:{base(semconv.ERRORS)}:increase_{window}"


def error_ratio(window: str) -> str:
    """The name of: the share of calls that failed in a way that counts against the SLO."""
    return f"service_model_provider:{base(semconv.ERRORS)}:ratio_rate{window}"


def latency(percent: int, window: str) -> str:
    """The name of: a percentile of the calls' duration in seconds."""
    return f"service_model_provider:{semconv.REQUEST_DURATION.prometheus}:p{percent}_{window}"


def first_chunk(percent: int, window: str) -> str:
    """The name of: a percentile of the time to the first chunk in seconds."""
    return f"service_model_provider:{semconv.TIME_TO_FIRST_CHUNK.prometheus}:p{percent}_{window}"


def rates(metric: semconv.Metric, window: str) -> tuple[str, str]:
    """The names of: a histogram's rates, of its classic buckets (with `le`) and of the native."""
    name = metric.prometheus
    return (
        f"service_model_provider_le:{name}_bucket:rate{window}",
        f"service_model_provider:{name}:rate{window}",
    )


def summary(level: str, detailed: str) -> str:
    """The name of: the sums of a detailed series by one of `SUMMARIES`."""
    return f"{level}:{detailed.partition(':')[2]}"


def slo_ratio(window: str) -> str:
    """The name of: a service's share of calls that failed in a way that counts against the SLO."""
    return f"service:{base(semconv.ERRORS)}:ratio_rate{window}"


def groups(config: Config, read: str) -> tuple[Group, ...]:
    """All groups of recording rules.

    Args:
        config: What the rules are generated from.
        read: PromQL of all alerts, on or off: the windows that it names are recorded.
    """
    names = frozenset(_NAME.findall(read))
    return (
        Group("llm-calls", "1m", tuple(_calls(names))),
        Group("llm-slo", "1m", tuple(_slo(names))),
        Group("llm-hourly", "1h", (*_detailed(), *_summaries())),
        Group("llm-services", "5m", tuple(usual.rules())),
        Group("llm-budgets", "5m", tuple(budgets.rules(config))),
    )


def _windows(names: Collection[str], *families: Callable[[str], str]) -> list[str]:
    """The windows of all names that belong to one of some families, such as `requests`."""
    patterns = [
        re.compile(re.escape(name("?")).replace(r"\?", "([0-9]+[a-z])")) for name in families
    ]
    found = (pattern.fullmatch(name) for pattern in patterns for name in names)
    return sorted({match[1] for match in found if match})


def _calls(names: Collection[str]) -> Iterable[Rule]:
    shares = _windows(names, error_ratio)
    by_error = (*CALLER, semconv.ERROR_TYPE_LABEL)
    for window in _windows(names, requests, error_ratio):
        yield Rule(requests(window), observed(semconv.REQUEST_DURATION, window, CALLER))
    for window in _windows(names, errors, error_ratio):
        yield Rule(errors(window), grown(semconv.ERRORS, window, by_error))
    for window in shares:
        counted = matcher(semconv.ERROR_TYPE_LABEL, semconv.SLO_ERROR_CLASSES)
        failed = total(CALLER, f"{errors(window)}{{{counted}}}")
        yield Rule(
            error_ratio(window),
            f"({failed}\nor\n0 * {requests(window)})\n/ ({requests(window)} > 0)",
        )
    for name, metric in (
        (latency, semconv.REQUEST_DURATION),
        (first_chunk, semconv.TIME_TO_FIRST_CHUNK),
    ):
        for window in _windows(names, *(partial(name, percent) for percent in QUANTILES)):
            classic, native = rates(metric, window)
            buckets = f"rate({metric.prometheus}_bucket[{window}])"
            yield Rule(classic, total((*CALLER, "le"), buckets))
            yield Rule(native, total(CALLER, f"rate({metric.prometheus}[{window}])"))
            for percent in QUANTILES:
                yield Rule(name(percent, window), quantile(percent / 100, metric, window, CALLER))
    yield Rule(ACTIVE, total(CALLER, semconv.REQUESTS_ACTIVE.prometheus))
    yield Rule(HEADROOM, _headroom())
    yield Rule(
        HEARD,
        f"count by ({SERVICE}) ({semconv.PRICES_VERSION.prometheus}"
        f" or {semconv.REQUEST_DURATION.prometheus}_count)",
    )


def _headroom() -> str:
    """What is left of the nearer of the two limits, in the worst of the processes."""
    left = union(
        "limit",
        {
            what: f"{remaining.prometheus} / ({limit.prometheus} > 0)"
            for what, limit, remaining in (
                ("requests", *semconv.RATELIMITS[:2]),
                ("tokens", *semconv.RATELIMITS[2:]),
            )
        },
    )
    return f"min by ({', '.join((*CALLER, 'limit'))}) (\n{left}\n)"


def _slo(names: Collection[str]) -> Iterable[Rule]:
    counted = matcher(semconv.ERROR_TYPE_LABEL, semconv.SLO_ERROR_CLASSES)
    yield Rule(
        REQUEST_RATE, f"(\n{observed(semconv.REQUEST_DURATION, _RATE_WINDOW, (SERVICE,))}\n) / 300"
    )
    failed = grown(semconv.ERRORS, _RATE_WINDOW, (SERVICE,), counted)
    yield Rule(ERROR_RATE, f"{failed} / 300\nor\n0 * {REQUEST_RATE}")
    for window in sorted(_windows(names, slo_ratio), key=seconds):
        if window == _RATE_WINDOW:
            yield Rule(slo_ratio(window), f"{ERROR_RATE} / ({REQUEST_RATE} > 0)")
            continue
        # A day of samples a minute apart tells no more than one of samples five minutes apart.
        span = f"[{window}:5m]" if window.endswith("d") else f"[{window}]"
        yield Rule(
            slo_ratio(window),
            f"sum_over_time({ERROR_RATE}{span})\n/ (sum_over_time({REQUEST_RATE}{span}) > 0)",
        )


def _detailed() -> Iterable[Rule]:
    scored = (SERVICE, semconv.EVALUATION, MODEL, FEATURE, TENANT_ID)
    ended = (SERVICE, semconv.KIND, FEATURE, TENANT_ID)
    by_token = (*_DETAIL, semconv.TOKEN_TYPE)
    by_error = (*_DETAIL, semconv.ERROR_TYPE_LABEL)
    for rules in (
        growth(HOURLY_COST, semconv.COST, _DETAIL),
        growth(HOURLY_TOKENS, semconv.TOKENS_CONSUMED, by_token),
        growth(HOURLY_REQUESTS, semconv.REQUEST_DURATION, _DETAIL, COUNT),
        growth(HOURLY_ERRORS, semconv.ERRORS, by_error),
        growth(HOURLY_SCORES, semconv.EVALUATION_SCORE, scored, COUNT),
        growth(HOURLY_SCORE_SUM, semconv.EVALUATION_SCORE, scored, SUM),
        growth(HOURLY_OUTCOMES, semconv.OUTCOMES, (*ended, semconv.OUTCOME)),
        growth(HOURLY_VALUE, semconv.OUTCOME_VALUE_USD, ended),
    ):
        yield from rules


def _summaries() -> Iterable[Rule]:
    of_calls = ("service_model_provider", "service_tenant_feature")
    of_scores = ("service_model", "service_tenant_feature")
    for detailed, levels, more in (
        (HOURLY_COST, of_calls, ()),
        (HOURLY_TOKENS, of_calls, (semconv.TOKEN_TYPE,)),
        (HOURLY_REQUESTS, of_calls, ()),
        (HOURLY_SCORES, of_scores, (semconv.EVALUATION,)),
        (HOURLY_SCORE_SUM, of_scores, (semconv.EVALUATION,)),
    ):
        for level in levels:
            by = (*SUMMARIES[level], *more)
            yield Rule(summary(level, detailed), total(by, detailed))
