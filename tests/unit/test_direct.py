"""The shorter way into the SDK's histograms gives what the long one gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics._internal import measurement
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import TracerProvider

from llm_otel.core.direct import Direct
from llm_otel.core.sums import NO_EXEMPLAR

ATTRIBUTES = {"model": "gpt-4o", "server.port": 443}


class Recorded:
    """One histogram, recorded on by `way`, and its points."""

    def __init__(self, way: Any, *views: View) -> None:
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], views=views)
        record = way(provider.get_meter("test").create_histogram("seconds", "s"))
        span = TracerProvider().get_tracer("test").start_span("call")
        record(3.0, ATTRIBUTES, trace.set_span_in_context(span))
        record(7, ATTRIBUTES, NO_EXEMPLAR)
        record(7, {**ATTRIBUTES, "model": "o3"}, NO_EXEMPLAR)
        self.trace_id = span.get_span_context().trace_id
        data: Any = reader.get_metrics_data()
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
        self.points = metric.data.data_points
        provider.shutdown()

    def facts(self) -> list[Any]:
        return [
            (dict(p.attributes), p.count, p.sum, p.min, p.max, p.bucket_counts) for p in self.points
        ]

    def exemplars(self) -> list[Any]:
        found = [exemplar for point in self.points for exemplar in point.exemplars]
        return [(e.value, e.trace_id == self.trace_id) for e in found]


def _direct(histogram: Any) -> Any:
    return Direct(histogram).record


def _public(histogram: Any) -> Any:
    return histogram.record


@pytest.mark.parametrize(
    "views", [(), (View(instrument_name="seconds", attribute_keys={"server.port"}),)]
)
def test_both_ways_give_the_same_points(views: tuple[View, ...]) -> None:
    """Counts, sums, buckets, attributes and exemplars, with and without a view."""
    short, long = Recorded(_direct, *views), Recorded(_public, *views)
    assert short.facts() == long.facts()
    assert short.exemplars() == long.exemplars() == [(3.0, True)]


def test_the_short_way_is_taken_on_this_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """`record` is not called where the way past it is known."""
    reader = InMemoryMetricReader()
    histogram: Any = MeterProvider([reader]).get_meter("test").create_histogram("seconds", "s")
    monkeypatch.setattr(type(histogram), "record", None)
    Direct(histogram).record(1.0, ATTRIBUTES, NO_EXEMPLAR)
    assert reader.get_metrics_data() is not None


def test_an_sdk_that_measures_otherwise_is_called_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement with one more field than we know: the public way."""
    more = dataclasses.make_dataclass(
        "Measurement", [*measurement.Measurement.__annotations__, "x"]
    )
    monkeypatch.setattr(measurement, "Measurement", more)
    taken: list[float] = []

    class Theirs:
        def record(self, value: float, _attributes: Any, _context: Any) -> None:
            taken.append(value)

    Direct(Theirs()).record(1.0, ATTRIBUTES, NO_EXEMPLAR)  # type: ignore[arg-type]
    histogram: Any = MeterProvider().get_meter("test").create_histogram("seconds", "s")
    direct = Direct(histogram)
    monkeypatch.setattr(type(histogram), "record", lambda _, value, *__: taken.append(value))
    direct.record(2.0, ATTRIBUTES, NO_EXEMPLAR)
    assert taken == [1.0, 2.0]
