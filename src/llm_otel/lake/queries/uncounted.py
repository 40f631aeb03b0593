"""Metrics of money that no sum holds, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel.lake.queries.reader import Reader

# No emitter is known whose gauge of costs is a running total: those in use hold the last value. A
# gauge does not say which it is, and the wrong guess counts the same money many times over.
_GAUGES: Final = """
    SELECT coalesce(service_name, '') AS service, metric, sum(count)::BIGINT AS samples
    FROM {metrics_hourly} WHERE instrument = 'gauge' AND contains(metric, 'cost')
    GROUP BY ALL ORDER BY samples DESC LIMIT 20
"""
WHY: Final = (
    "it is a gauge, or a counter that may fall, which does not say what it adds up: send a counter"
)


@dataclass(frozen=True)
class Uncounted:
    """A metric of a service, and how many samples of it came."""

    service: str
    metric: str
    samples: int


def uncounted(reader: Reader) -> list[Uncounted]:
    """Those with most samples first."""
    return reader.rows(_GAUGES, Uncounted)
