"""Metrics as a reader sees them: sums, caps, start times, active calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from llm_otel import semconv
from llm_otel.core.labels import Labels
from llm_otel.core.metrics.instruments import Instruments, for_meter
from llm_otel.pricing import Cost
from llm_otel.usage import Usage


class Metrics:
    """Instruments on a reader of their own."""

    def __init__(self, **caps: int) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self.reader])
        labels = Labels({label.replace("tenant", "tenant_id"): n for label, n in caps.items()})
        meter = self.provider.get_meter(semconv.SCOPE)
        self.instruments: Instruments = for_meter(self.provider, meter, labels)

    def points(self, metric: semconv.Metric) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric.name
            for point in found.data.data_points
        ]

    def call(self, model: str = "m", tenant: str = "t", error: str | None = None) -> None:
        series = self.instruments.calls.series(model, "openai", "chat", "f", tenant)
        self.instruments.calls.begun(series)
        self.instruments.calls.ended(series, 1.0, error, Context())
        if error is None:
            self.instruments.calls.used(series, Usage(input_tokens=10, output_tokens=2))
            self.instruments.calls.cost(series, Cost(0.1, 0.2, 0.0, "override"))


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Instruments with the default caps."""
    made = Metrics(model=50, feature=20, tenant=100)
    yield made
    made.provider.shutdown()


def test_sums_reach_every_collection_once(metrics: Metrics) -> None:
    """Counters are exact over several collections."""
    for _ in range(3):
        metrics.call()
        metrics.call(error="timeout")
        collected = metrics.points(semconv.TOKENS_CONSUMED)
    values = {point.attributes["token_type"]: point.value for point in collected}
    assert values == {"input": 30, "output": 6}
    assert [point.value for point in metrics.points(semconv.ERRORS)] == [3]
    cost = sum(point.value for point in metrics.points(semconv.COST))
    assert cost == pytest.approx(0.9)


def test_a_counter_starts_before_its_first_value(metrics: Metrics) -> None:
    """The start time lies at least a millisecond before the first sample, so that Prometheus
    counts the value that a counter is born with."""
    metrics.call(error="server")
    (point,) = metrics.points(semconv.ERRORS)
    assert point.start_time_unix_nano // 1_000_000 < point.time_unix_nano // 1_000_000


def test_many_threads_lose_nothing(metrics: Metrics) -> None:
    """Eight threads count what one would, with collections in between."""
    threads = [
        threading.Thread(target=lambda: [metrics.call() for _ in range(500)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.points(semconv.TOKENS_CONSUMED)
    values = {
        point.attributes["token_type"]: point.value
        for point in metrics.points(semconv.TOKENS_CONSUMED)
    }
    assert values == {"input": 40_000, "output": 8_000}
    assert [point.value for point in metrics.points(semconv.REQUESTS_ACTIVE)] == [0]


def test_active_calls_are_counted_while_they_run(metrics: Metrics) -> None:
    """Begun and not ended."""
    series = metrics.instruments.calls.series("m", "openai", "chat", "f", "t")
    other = metrics.instruments.calls.series("m", "openai", "chat", "f", "another")
    metrics.instruments.calls.begun(series)
    metrics.instruments.calls.begun(other)
    (point,) = metrics.points(semconv.REQUESTS_ACTIVE)
    assert (point.value, dict(point.attributes)) == (
        2,
        {"model": "m", "provider": "openai", "operation": "chat"},
    )


def test_values_over_a_cap_become_other_and_are_counted() -> None:
    """The first values stay; the rest is `other`; each folding is counted by its label."""
    metrics = Metrics(model=2, feature=20, tenant=3)
    for number in range(6):
        metrics.call(model=f"m{number}", tenant=f"t{number}")
    seen = {point.attributes["model"] for point in metrics.points(semconv.REQUEST_DURATION)}
    assert seen == {"m0", "m1", "other"}
    folded = {p.attributes["label"]: p.value for p in metrics.points(semconv.LABELS_OVERFLOWED)}
    assert folded == {"model": 4, "tenant_id": 3}


@pytest.mark.parametrize("value", ["with space", "ünïcode", "", "x" * 300, "a\nb", "{}"])
def test_a_value_without_its_form_becomes_other(metrics: Metrics, value: str) -> None:
    """What is no model's name cannot carry text into a label."""
    metrics.call(model=value)
    (point,) = metrics.points(semconv.REQUEST_DURATION)
    assert point.attributes["model"] == "other"


def test_combinations_stay_below_the_sdks_limit() -> None:
    """However the labels multiply, the SDK never folds into `otel.metric.overflow`."""
    metrics = Metrics(model=50, feature=20, tenant=100)
    for tenant in range(100):
        for model in range(40):
            metrics.call(model=f"m{model}", tenant=f"t{tenant}")
    for metric in (semconv.REQUEST_DURATION, semconv.TOKENS_CONSUMED, semconv.COST):
        points = metrics.points(metric)
        assert semconv.MAX_COMBINATIONS <= len(points) < 2000, (metric.name, len(points))
        assert not any("otel.metric.overflow" in point.attributes for point in points)
    total = sum(point.value for point in metrics.points(semconv.TOKENS_CONSUMED))
    assert total == 4000 * 12


def test_the_same_provider_gives_the_same_instruments(metrics: Metrics) -> None:
    """A second registration of an observable would be dropped without a word."""
    meter = metrics.provider.get_meter(semconv.SCOPE)
    again = for_meter(metrics.provider, meter, metrics.instruments.table.labels)
    assert again is metrics.instruments


def test_an_unknown_price_is_counted_and_never_zero(metrics: Metrics) -> None:
    """No cost point for an unpriced call, one count instead; a partial cost is both."""
    series = metrics.instruments.calls.series("m", "openai", "chat", "f", "t")
    metrics.instruments.calls.cost(series, None)
    assert metrics.points(semconv.COST) == []
    (point,) = metrics.points(semconv.REQUESTS_UNPRICED)
    assert (point.value, dict(point.attributes)) == (1, {"model": "m", "provider": "openai"})
    metrics.instruments.calls.cost(series, Cost(1.0, 0.0, 0.0, "override", incomplete=True))
    assert [p.value for p in metrics.points(semconv.REQUESTS_UNPRICED)] == [2]
    assert [p.value for p in metrics.points(semconv.COST)] == [1.0]
