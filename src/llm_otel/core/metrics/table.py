"""The instruments that values are recorded on, created on first use, and the bounds of labels."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import Counter, Histogram, Meter

from llm_otel import semconv
from llm_otel.base.otel_internals import Point
from llm_otel.core.labels import Labels
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR, PendingCounters


class InstrumentTable:
    """The counters and histograms of one meter.

    Args:
        meter: Where they are created.
        labels: Caps and forms of label values.
        deferred: Somebody hands on what is pending before each collection.

    Attributes:
        counters: The pending counters; new ones in a forked child.
    """

    def __init__(self, meter: Meter, labels: Labels, *, deferred: bool) -> None:
        self.labels = labels
        self._meter = meter
        self._deferred = deferred
        self._created: dict[semconv.Metric, Any] = {}
        self.forget()

    def forget(self) -> None:
        """Begin at 0, as a forked child does."""
        self.counters = PendingCounters(self._counter, deferred=self._deferred)
        self._admitted: set[tuple[object, ...]] = set()
        self._points: dict[tuple[object, ...], Point] = {}

    def count(self, metric: semconv.Metric, amount: float, **labels: str) -> None:
        """Add to a counter of the product's metrics that belongs to no call."""
        self.counters.add(metric, amount, labels)

    def add(self, metric: semconv.Metric, amount: float, attributes: dict[str, Any]) -> None:
        """Add to a counter of the conventions' metrics."""
        self._counter(metric).add(amount, attributes, NO_EXEMPLAR)

    def point(self, metric: semconv.Metric, attributes: dict[str, Any]) -> Point:
        """A histogram at one set of attributes: strings and ints that never change."""
        return Point(self.histogram(metric), attributes)

    def record(self, metric: semconv.Metric, value: float, attributes: dict[str, Any]) -> None:
        """Record into a histogram at any of few sets of attributes: strings and ints."""
        key = (metric, *attributes.items())
        point = self._points.get(key)
        if point is None:
            bounded = self.admitted(metric, attributes)
            point = self.point(metric, bounded)
            # What is over the cap must not fill the memory: types of errors are the application's.
            if bounded is attributes:
                self._points[key] = point
        point.record(value, NO_EXEMPLAR)

    def admitted(self, metric: semconv.Metric, attributes: dict[str, Any]) -> dict[str, Any]:
        """The attributes, or coarser ones once the metric has too many sets of them."""
        key = (metric, *attributes.items())
        if key in self._admitted:
            return attributes
        with self.counters.lock:
            bounded = self.counters.combinations.admit(metric, attributes)
        if bounded is attributes:
            self._admitted.add(key)
        return bounded

    def histogram(self, metric: semconv.Metric) -> Histogram:
        """The histogram of a metric, created on first use."""
        known: Histogram | None = self._created.get(metric)
        if known is None:
            known = self._created[metric] = self._meter.create_histogram(
                metric.name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )
        return known

    def _counter(self, metric: semconv.Metric) -> Counter:
        known: Counter | None = self._created.get(metric)
        if known is None:
            known = self._created[metric] = self._meter.create_counter(
                metric.name, metric.unit, metric.description
            )
        return known
