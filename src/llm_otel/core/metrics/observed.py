"""What is not recorded but read when a reader collects: active calls, rate limits, prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from llm_otel import semconv

if TYPE_CHECKING:
    from llm_otel.core.headroom import Headroom
    from llm_otel.core.metrics.calls import CallMetrics
    from llm_otel.pricing import Pricing


def observe(
    meter: Meter, metric: semconv.Metric, read: Callable[[], Iterable[Observation]]
) -> None:
    """Create the observable instrument of a metric.

    Args:
        meter: Where.
        metric: Which.
        read: Its values, whenever somebody collects.
    """

    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        return read()

    create = (
        meter.create_observable_up_down_counter
        if metric.kind == "updown"
        else meter.create_observable_gauge
    )
    create(metric.name, [callback], metric.unit, metric.description)


def active(calls: CallMetrics) -> Iterator[Observation]:
    """Calls under way."""
    for key, value in calls.active():
        yield Observation(value, dict(zip(semconv.REQUESTS_ACTIVE.labels, key)))


def ratelimit(headroom: Headroom, metric: semconv.Metric) -> Iterator[Observation]:
    """What the providers' headers told."""
    for provider, model, value in headroom.read(metric):
        yield Observation(value, {semconv.PROVIDER: provider, semconv.MODEL: model})


def prices_age(pricing: Pricing | None) -> Iterator[Observation]:
    """Age of the price table, if there is one."""
    age = None if pricing is None else pricing.age_seconds()
    if age is not None:
        yield Observation(age)


def prices_version(pricing: Pricing | None) -> Iterator[Observation]:
    """Version of the price table, if there is one."""
    version = None if pricing is None else pricing.version
    if version is not None:
        yield Observation(1, {semconv.VERSION: version})
