"""What the filters can be set to."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel import semconv
from llm_otel.lake.queries.filters import HOUR, Filter
from llm_otel.lake.queries.reader import Connects, Reader
from llm_otel.lake.queries.usage import One

_MOST: Final = 200
# Where the newest is looked for first: few files.
_RECENT: Final = timedelta(days=2)
_LATEST: Final = """
    SELECT max(time) AS time
    FROM (
        SELECT time FROM calls UNION ALL
        SELECT hour AS time FROM metrics_hourly WHERE list_contains($metrics, metric)
    )
"""
_ANY: Final = "SELECT 1 AS one FROM {calls} LIMIT 1"
_ANY_METERED: Final = """
    SELECT 1 AS one FROM {metrics_hourly} WHERE list_contains($metrics, metric) LIMIT 1
"""
# The metrics that tell of calls.
_METRICS: Final = [
    metric.name
    for metric in (semconv.REQUEST_DURATION, semconv.TOKENS_CONSUMED, semconv.COST, semconv.ERRORS)
]
_NAMES: Final = (
    "service_name", "provider", "model", "feature", "tenant_id", "environment", "error_type"
)  # fmt: skip
# The combinations that there are: grouped by their hash, which takes two thirds of the time.
_COMBINATIONS: Final = "SELECT {values} FROM {calls} GROUP BY hash({names})".replace(
    "{values}", ", ".join(f"any_value({name}) AS {name}" for name in _NAMES)
)
_VALUES: Final = """
    SELECT list_sort(list_distinct(list(service_name))) AS service,
        list_sort(list_distinct(list(provider))) AS provider,
        list_sort(list_distinct(list(model))) AS model,
        list_sort(list_distinct(list(feature))) AS feature,
        list_sort(list_distinct(list(tenant_id))) AS tenant_id,
        list_sort(list_distinct(list(environment))) AS environment,
        (SELECT list_sort(list_distinct(list(evaluation))) FROM {scores}) AS evaluation,
        list_sort(list_distinct(list(error_type))) AS error_type
    FROM (
        {combinations} UNION
        SELECT DISTINCT {names} FROM {metrics_hourly} WHERE list_contains($metrics, metric)
    )
""".replace("{combinations}", _COMBINATIONS).replace("{names}", ", ".join(_NAMES))


@dataclass(frozen=True)
class Choices:
    """The values seen, by filter field."""

    service: list[str]
    provider: list[str]
    model: list[str]
    feature: list[str]
    tenant_id: list[str]
    environment: list[str]
    evaluation: list[str]
    error_type: list[str]


@dataclass(frozen=True)
class _Latest:
    time: datetime | None


def choices(lake: Connects, since: datetime, until: datetime) -> Choices:
    """What the calls and the metrics of a window say; a program may send one of them alone."""
    answer = Reader(lake, Filter(since, until), timedelta()).one(_VALUES, Choices, metrics=_METRICS)
    return Choices(*((each or [])[:_MOST] for each in astuple(answer)))


def latest(lake: Connects, now: datetime) -> datetime | None:
    """When the newest call began, or the hour of the newest metric; None in an empty lake."""
    for since in (now - _RECENT, datetime.min):
        reader = Reader(lake, Filter(since, datetime.max), timedelta())
        time = reader.one(_LATEST, _Latest, metrics=_METRICS).time
        if time is not None:
            return time
    return None


def any_calls(lake: Connects, selection: Filter) -> bool:
    """Whether the filter lets a call through, or metrics of calls, where pages read these."""
    reader = Reader(lake, selection, timedelta())
    if reader.rows(_ANY, One):
        return True
    metered = not selection.only_calls_know and selection.bucket_s >= HOUR
    return metered and bool(reader.rows(_ANY_METERED, One, metrics=_METRICS))
