"""The shorter ways into the SDK's histograms and spans give what the long ones give."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics._internal import _view_instrument_match, measurement
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from llm_otel.base.otel_internals import Point, set_attributes
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR

ATTRIBUTES = {"model": "gpt-4o", "server.port": 443}


class Recorded:
    """One histogram, recorded on by `way` before and after a collection, and its points."""

    def __init__(self, way: Any, provider: Any = None) -> None:
        reader = InMemoryMetricReader()
        provider = (provider or _plain)(reader)
        record = way(provider.get_meter("test").create_histogram("seconds", "s"))
        span = TracerProvider().get_tracer("test").start_span("call")
        self.trace_id = span.get_span_context().trace_id
        self.collections = []
        for _ in range(2):
            record(3.0, ATTRIBUTES, trace.set_span_in_context(span))
            record(7, ATTRIBUTES, NO_EXEMPLAR)
            record(7, {**ATTRIBUTES, "model": "o3"}, NO_EXEMPLAR)
            data: Any = reader.get_metrics_data()
            (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
            self.collections.append(list(metric.data.data_points))
        provider.shutdown()

    def facts(self) -> list[Any]:
        return [
            [(dict(p.attributes), p.count, p.sum, p.min, p.max, p.bucket_counts) for p in points]
            for points in self.collections
        ]

    def exemplars(self) -> list[Any]:
        found = [e for points in self.collections for point in points for e in point.exemplars]
        return [(e.value, e.trace_id == self.trace_id) for e in found]


def _plain(reader: Any) -> MeterProvider:
    return MeterProvider([reader])


def _view(reader: Any) -> MeterProvider:
    return MeterProvider(
        [reader], views=[View(instrument_name="seconds", attribute_keys={"server.port"})]
    )


def _delta(reader: Any) -> MeterProvider:
    reader._instrument_class_temporality[Histogram] = AggregationTemporality.DELTA
    return MeterProvider([reader])


def _one_set_at_most(reader: Any) -> MeterProvider:
    view = View(instrument_name="seconds", aggregation_cardinality_limit=1)
    return MeterProvider([reader], views=[view])


def _two_readers(reader: Any) -> MeterProvider:
    return MeterProvider([InMemoryMetricReader(), reader])


def _short(histogram: Any) -> Any:
    points: dict[tuple[Any, ...], Point] = {}

    def record(value: float, attributes: dict[str, Any], context: Any) -> None:
        key = tuple(attributes.items())
        points.setdefault(key, Point(histogram, attributes)).record(value, context)

    return record


def _public(histogram: Any) -> Any:
    return histogram.record


@pytest.mark.parametrize("provider", [_plain, _view, _delta, _one_set_at_most, _two_readers])
def test_both_ways_give_the_same_points(provider: Any) -> None:
    """Counts, sums, buckets, attributes and exemplars, in both of two collections."""
    short, long = Recorded(_short, provider), Recorded(_public, provider)
    assert short.facts() == long.facts()
    assert short.exemplars() == long.exemplars()
    assert (3.0, True) in short.exemplars()


def test_a_reader_that_comes_later_is_served() -> None:
    """A point that is in use counts for it as well, from then on."""
    first, second = InMemoryMetricReader(), InMemoryMetricReader()
    provider = MeterProvider([first])
    point = Point(provider.get_meter("test").create_histogram("seconds"), ATTRIBUTES)
    point.record(1.0, NO_EXEMPLAR)
    provider.add_metric_reader(second)
    point.record(2.0, NO_EXEMPLAR)
    sums = [_sum(reader) for reader in (first, second)]
    assert sums == [3.0, 2.0]


def _sum(reader: InMemoryMetricReader) -> float:
    data: Any = reader.get_metrics_data()
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    found: float = point.sum
    return found


def test_the_short_way_is_taken_on_this_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """`record` is not called where the way past it is known, nor are attributes hashed twice."""
    reader = InMemoryMetricReader()
    histogram: Any = MeterProvider([reader]).get_meter("test").create_histogram("seconds", "s")
    monkeypatch.setattr(type(histogram), "record", None)
    point = Point(histogram, ATTRIBUTES)
    point.record(1.0, NO_EXEMPLAR)
    monkeypatch.setattr(_view_instrument_match, "_hash_attributes", None)
    point.record(2.0, NO_EXEMPLAR)
    assert _sum(reader) == 3.0


def test_an_sdk_that_finds_its_sums_otherwise_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the function that we know the SDK looks its sums up by itself."""
    reader = InMemoryMetricReader()
    monkeypatch.delattr(_view_instrument_match._ViewInstrumentMatch, "_get_or_create_aggregation")
    histogram = MeterProvider([reader]).get_meter("test").create_histogram("seconds", "s")
    point = Point(histogram, ATTRIBUTES)
    taken: list[Any] = []
    monkeypatch.setattr(
        _view_instrument_match._ViewInstrumentMatch,
        "consume_measurement",
        lambda _, measurement, *__: taken.append(measurement.value),
    )
    point.record(1.0, NO_EXEMPLAR)
    assert taken == [1.0]


@pytest.mark.parametrize("name", ["_reader_storages", "_sdk_config"])
def test_an_sdk_without_what_we_know_is_called_as_ever(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of the SDK's own that is gone costs nothing but time."""
    histogram: Any = MeterProvider().get_meter("test").create_histogram("seconds", "s")
    taken: list[float] = []
    monkeypatch.setattr(type(histogram), "record", lambda _, value, *__: taken.append(value))
    delattr(histogram._measurement_consumer, name)
    point = Point(histogram, ATTRIBUTES)
    point.record(1.0, NO_EXEMPLAR)
    point.record(2.0, NO_EXEMPLAR)
    assert taken == [1.0, 2.0]


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

    Point(Theirs(), ATTRIBUTES).record(1.0, NO_EXEMPLAR)  # type: ignore[arg-type]
    histogram: Any = MeterProvider().get_meter("test").create_histogram("seconds", "s")
    point = Point(histogram, ATTRIBUTES)
    monkeypatch.setattr(type(histogram), "record", lambda _, value, *__: taken.append(value))
    point.record(2.0, NO_EXEMPLAR)
    assert taken == [1.0, 2.0]


# ------------------------------------------------------------------ spans
_MORE = {"b": "text", "c": 1, "d": 2.5, "e": True, "f": ("x", "y")}


def _span(way: Any, more: dict[str, Any], limits: SpanLimits | None = None) -> Any:
    span: Any = TracerProvider(span_limits=limits).get_tracer("test").start_span("call")
    span.set_attribute("a", "first")
    way(span, more)
    return span


@pytest.mark.parametrize(
    ("more", "limits"),
    [
        (_MORE, None),
        ({**_MORE, "a": "again"}, None),
        (_MORE, SpanLimits(max_span_attributes=3)),
        (_MORE, SpanLimits(max_span_attributes=6)),
        (_MORE, SpanLimits(max_span_attribute_length=2)),
        ({"list": ["x"], "mapping": {"k": [1]}}, None),
        ({"no value": object}, None),
    ],
    ids=["plain", "again", "too many", "just enough", "too long", "nested", "not clean"],
)
def test_a_span_holds_the_same_attributes(more: dict[str, Any], limits: SpanLimits | None) -> None:
    """Values, types, and how many were dropped, within limits and beyond them."""
    short = _span(set_attributes, more, limits)
    long = _span(lambda span, attributes: span.set_attributes(attributes), more, limits)
    assert dict(short.attributes) == dict(long.attributes)
    assert {k: type(v) for k, v in short.attributes.items()} == {
        k: type(v) for k, v in long.attributes.items()
    }
    assert short.dropped_attributes == long.dropped_attributes


def test_the_short_way_into_spans_is_taken_on_this_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own look at each attribute is not made where the way past it is known."""
    span = _span(lambda *_: None, {})
    monkeypatch.setattr(BoundedAttributes, "_set_items", None)
    set_attributes(span, _MORE)
    assert dict(span.attributes) == {"a": "first", **_MORE}


@pytest.mark.parametrize("where", ["span", "class"])
def test_who_wants_to_see_what_is_set_sees_it(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `set_attributes` of somebody's own, as a scrubber puts there, is called."""
    span = _span(lambda *_: None, {})
    seen: list[Any] = []
    place = span if where == "span" else type(span)
    monkeypatch.setattr(place, "set_attributes", lambda *given: seen.append(given[-1]))
    set_attributes(span, _MORE)
    assert seen == [_MORE]
    assert dict(span.attributes) == {"a": "first"}


def test_a_span_that_somebody_ended_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK says so, as it does to everybody."""
    span = _span(lambda *_: None, {})
    span.end()
    set_attributes(span, _MORE)
    assert dict(span.attributes) == {"a": "first"}
    assert "ended span" in caplog.text
