"""What the filters can be set to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader
from llm_otel.lake.queries.usage import One

_CHOOSABLE: Final = ("service", "provider", "model", "feature", "tenant_id")
_MOST: Final = 200
_LATEST: Final = "SELECT max(time) AS time FROM calls"
_ANY: Final = "SELECT 1 AS one FROM {calls} LIMIT 1"
_VALUES: Final = """
    SELECT list_sort(list_distinct(list(service_name))) AS service,
        list_sort(list_distinct(list(provider))) AS provider,
        list_sort(list_distinct(list(model))) AS model,
        list_sort(list_distinct(list(feature))) AS feature,
        list_sort(list_distinct(list(tenant_id))) AS tenant_id
    FROM (SELECT DISTINCT service_name, provider, model, feature, tenant_id FROM {calls})
"""


@dataclass(frozen=True)
class Choices:
    """The values seen, by filter field."""

    service: list[str]
    provider: list[str]
    model: list[str]
    feature: list[str]
    tenant_id: list[str]


@dataclass(frozen=True)
class _Latest:
    time: datetime | None


def choices(lake: Connects, since: datetime, until: datetime) -> Choices:
    """What the calls of a window say."""
    found = Reader(lake, Filter(since, until), timedelta()).one(_VALUES, Choices)
    return Choices(*((getattr(found, name) or [])[:_MOST] for name in _CHOOSABLE))


def latest(lake: Connects) -> datetime | None:
    """When the newest call began; None in an empty lake."""
    reader = Reader(lake, Filter(datetime.min, datetime.max), timedelta())
    return reader.one(_LATEST, _Latest).time


def any_calls(lake: Connects, asked: Filter) -> bool:
    """Whether the filter lets a call through."""
    return bool(Reader(lake, asked, timedelta()).rows(_ANY, One))
