"""Recording rules: what alerts and dashboards read instead of raw series.

A name is `level:metric:operation`; the level lists the labels that are left. Rules whose window is
a setting carry the window in their name, so look a name up by the functions here. What looks back
further than a day sums the hourly rules: raw series would be slow, and lost after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, MODEL, PROVIDER, TENANT_ID
from llm_otel.stack.config import Config
from llm_otel.stack.limits import seconds
from llm_otel.stack.prometheus import budgets, usual
from llm_otel.stack.prometheus.hourly import COUNT, SUM, Part, growth
from llm_otel.stack.prometheus.promql import (
    BY_SOURCE,
    SOURCE,
    base,
    grown,
    matcher,
    observed,
    quantile,
    total,
    union,
)
from llm_otel.stack.prometheus.rule import Group, Rule

CALLER: Final = (*SOURCE, MODEL, PROVIDER)
QUANTILES: Final = (50, 95, 99)

_NAME: Final = re.compile(r"[\w:]+")

# What the level of a recorded name calls a label; its other labels are not in the name.
_LEVEL: Final = {MODEL: "model", PROVIDER: "provider", TENANT_ID: "tenant", FEATURE: "feature"}


def hourly(metric: semconv.Metric, part: Part | None = None) -> str:
    """The name of: what a metric of `semconv.HOURLY` grew by in an hour.

    Args:
        metric: A counter or a histogram.
        part: `COUNT` or `SUM` of a histogram.
    """
    labels = semconv.HOURLY[metric]
    level = "_".join(["service", *(word for label, word in _LEVEL.items() if label in labels)])
    suffix = part.suffix if part else ""
    name = "gen_ai_requests" if metric is semconv.REQUEST_DURATION else f"{base(metric)}{suffix}"
    return f"{level}:{name}:increase1h"


HOURLY_COST: Final = hourly(semconv.COST)
HOURLY_TOKENS: Final = hourly(semconv.TOKENS_CONSUMED)
HOURLY_REQUESTS: Final = hourly(semconv.REQUEST_DURATION, COUNT)
HOURLY_SCORES: Final = hourly(semconv.EVALUATION_SCORE, COUNT)
HOURLY_SCORE_SUM: Final = hourly(semconv.EVALUATION_SCORE, SUM)
HOURLY_OUTCOMES: Final = hourly(semconv.OUTCOMES)
HOURLY_VALUE: Final = hourly(semconv.OUTCOME_VALUE_USD)
HOURLY_SAVED: Final = hourly(semconv.COST_SAVED)

# Sums of the detailed series. Dashboards read these while no variable needs a label they lack.
SUMMARIES: Final = {
    "service_model_provider": CALLER,
    "service_model": (*SOURCE, MODEL),
    "service_tenant_feature": (*SOURCE, TENANT_ID, FEATURE),
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


def groups(config: Config, queries: str) -> tuple[Group, ...]:
    """All groups of recording rules.

    Args:
        config: What the rules are generated from.
        queries: PromQL of all alerts, on or off: the windows that it names are recorded.
    """
    names = frozenset(_NAME.findall(queries))
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
    matches = (pattern.fullmatch(name) for pattern in patterns for name in names)
    return sorted({match[1] for match in matches if match})


def _calls(names: Collection[str]) -> Iterable[Rule]:
    shares = _windows(names, error_ratio)
    by_error = (*CALLER, semconv.ERROR_TYPE_LABEL)
    for window in _windows(names, requests, error_ratio):
        yield Rule(requests(window), observed(semconv.REQUEST_DURATION, window, CALLER))
    for window in _windows(names, errors, error_ratio):
        yield Rule(errors(window), grown(semconv.ERRORS, window, by_error))
    for window in shares:
        slo_classes = matcher(semconv.ERROR_TYPE_LABEL, semconv.SLO_ERROR_CLASSES)
        failed = total(CALLER, f"{errors(window)}{{{slo_classes}}}")
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
        f"count by ({BY_SOURCE}) ({semconv.PRICES_VERSION.prometheus}"
        f" or {semconv.REQUEST_DURATION.prometheus}_count)",
    )


def _headroom() -> str:
    """What is left of the nearer of the two limits, in the worst of the processes."""
    shares = union(
        "limit",
        {
            what: f"{remaining.prometheus} / ({limit.prometheus} > 0)"
            for what, limit, remaining in (
                ("requests", *semconv.RATELIMITS[:2]),
                ("tokens", *semconv.RATELIMITS[2:]),
            )
        },
    )
    return f"min by ({', '.join((*CALLER, 'limit'))}) (\n{shares}\n)"


def _slo(names: Collection[str]) -> Iterable[Rule]:
    slo_classes = matcher(semconv.ERROR_TYPE_LABEL, semconv.SLO_ERROR_CLASSES)
    yield Rule(
        REQUEST_RATE, f"(\n{observed(semconv.REQUEST_DURATION, _RATE_WINDOW, SOURCE)}\n) / 300"
    )
    failed = grown(semconv.ERRORS, _RATE_WINDOW, SOURCE, slo_classes)
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


def _parts() -> Iterator[tuple[semconv.Metric, Part | None]]:
    """What is recorded hour by hour; of a call's duration nobody asks the sum."""
    for metric in semconv.HOURLY:
        if metric.kind != "histogram":
            yield metric, None
        elif metric is semconv.REQUEST_DURATION:
            yield metric, COUNT
        else:
            yield metric, COUNT
            yield metric, SUM


def _detailed() -> Iterator[Rule]:
    for metric, part in _parts():
        by = (*SOURCE, *semconv.HOURLY[metric])
        yield from growth(hourly(metric, part), metric, by, part)


def _summaries() -> Iterator[Rule]:
    """The sums by the finest of `SUMMARIES` that a detailed series has the labels of.

    None of errors, which no dashboard asks for; none that would be the detailed series itself.
    """
    for metric, part in _parts():
        available = {*SOURCE, *semconv.HOURLY[metric]}
        levels = {level: {*labels} for level, labels in SUMMARIES.items() if {*labels} <= available}
        detailed = hourly(metric, part)
        if metric is semconv.ERRORS or detailed.partition(":")[0] in levels:
            continue
        more = tuple(label for label in semconv.HOURLY[metric] if label not in _LEVEL)
        for level, labels in levels.items():
            if not any(labels < others for others in levels.values()):
                by = (*SUMMARIES[level], *more)
                yield Rule(summary(level, detailed), total(by, detailed))
