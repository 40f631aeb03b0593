"""Calls that only spans tell of become the product's metrics, each once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lake import samples
from otlp_receiver import OtlpReceiver

import llm_otel.lake
from llm_otel import semconv
from llm_otel.lake.decode import METRICS, TRACES
from llm_otel.lake.ingest import Ingest
from llm_otel.lake.queries import Filter, Reader, usage
from llm_otel.serve.derived import DerivedMetrics

SHOP = {"service.name": "shop-ui", "deployment.environment.name": "prod",
        "telemetry.sdk.language": "nodejs"}  # fmt: skip
PRODUCT = {name: samples.CHAT[name] for name in ("tenant_id", "feature")}
Sums = dict[tuple[str, ...], float]


class Store:
    """A lake whose new calls are counted, at a clock that the test moves."""

    def __init__(self, path: Path, endpoint: str) -> None:
        self.now = time.time()
        self.derived = DerivedMetrics(path, endpoint, clock=lambda: self.now)
        self.ingest = Ingest(path, watch=self.derived.add)
        self.path = path

    def take(self, signal: int, request: Any) -> None:
        """Store a request."""
        self.ingest.accept(signal, request.SerializeToString()).result(20)
        self.ingest.flush()

    def spans(self, *attributes: dict[str, Any], **fields: Any) -> None:
        """Store spans of a service that is not ours."""
        self.take(TRACES, samples.spans(*attributes, **{"resource": SHOP, **fields}))

    def turn(self) -> None:
        """Count and send what has waited for 90 s."""
        self.now += 91
        self.derived.turn()


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    """Where the metrics go."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture
def store(tmp_path: Path, collector: OtlpReceiver) -> Iterator[Store]:
    """Over a new lake."""
    store = Store(tmp_path, collector.endpoint)
    yield store
    store.ingest.close()


def _sums(collector: OtlpReceiver) -> Sums:
    """The newest value of each series that came: by metric, service, and labels."""
    values: Sums = {}
    for resource in collector.resources("/v1/metrics"):
        about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                assert data.aggregation_temporality == 2, "cumulative"
                for point in data.data_points:
                    labels = {pair.key: pair.value.string_value for pair in point.attributes}
                    value = point.count if hasattr(point, "count") else point.as_double
                    key = (metric.name, about.get("service.name", ""), *labels.values())
                    values[key] = value or getattr(point, "as_int", 0)
    return values


def _metric(collector: OtlpReceiver, metric: semconv.Metric) -> list[float]:
    return [value for key, value in _sums(collector).items() if key[0] == metric.name]


def test_a_service_without_metrics_gets_them(store: Store, collector: OtlpReceiver) -> None:
    """The labels of our own, with tokens, cost, duration and the class of an error."""
    failure = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
               "gen_ai.request.model": "gpt-4o", "error.type": "429"}  # fmt: skip
    store.spans(samples.CHAT, seed=1)
    store.spans(samples.CHAT, seed=2, seconds=7.0)
    store.spans(failure, seed=3, status={"code": 2})
    store.derived.turn()
    assert not collector.requests, "what has just come waits for the metrics of its process"
    store.turn()
    call = ("shop-ui", "gpt-4o", "openai", "chat", "support", "acme")
    failed = ("shop-ui", "gpt-4o", "openai", "chat", "none", "none")
    sums = _sums(collector)
    assert sums[("gen_ai.request.duration", *call)] == 2, sums
    assert sums[("gen_ai.request.duration", *failed, "rate_limit")] == 1, sums
    assert sums[("gen_ai.errors", *failed, "rate_limit")] == 1, sums
    assert sums[("gen_ai.tokens.consumed", *call, "input")] == 2000, sums
    assert sums[("gen_ai.tokens.consumed", *call, "output")] == 200, sums
    assert sums[("gen_ai.cost.usd", *call, "other")] == pytest.approx(0.007), sums
    resource = collector.resources("/v1/metrics")[-1].resource
    names = {pair.key: pair.value.string_value for pair in resource.attributes}
    assert names["deployment.environment.name"] == "prod"
    for metric in (semconv.REQUEST_DURATION,):
        (point, *_) = [
            point
            for one in collector.resources("/v1/metrics")[-1].scope_metrics[0].metrics
            if one.name == metric.name
            for point in one.histogram.data_points
            if point.count == 2
        ]
        assert list(point.explicit_bounds) == list(metric.buckets)
        assert point.sum == pytest.approx(7.5)
        assert (point.min, point.max) == (0.5, 7.0)


def test_sums_go_on(store: Store, collector: OtlpReceiver) -> None:
    """What could not be sent is in what is sent next; a span that comes again counts once."""
    collector.status = 400
    store.spans(samples.CHAT, seed=1)
    store.spans(samples.CHAT, seed=1)
    store.turn()
    collector.status = 200
    store.spans(samples.CHAT, seed=2)
    store.turn()
    store.spans(samples.CHAT, seed=2)
    store.turn()
    assert _metric(collector, semconv.REQUEST_DURATION) == [2]


def test_nested_spans_are_one_call(store: Store, collector: OtlpReceiver) -> None:
    """A framework's span above the client's, which comes in a later request."""
    inner = samples.spans(samples.CHAT, seed=1, resource=SHOP)
    span = inner.resource_spans[0].scope_spans[0].spans[0]
    outer = samples.spans(samples.CHAT, seed=2, resource=SHOP)
    above = outer.resource_spans[0].scope_spans[0].spans[0]
    span.parent_span_id, above.trace_id = above.span_id, span.trace_id
    store.take(TRACES, inner)
    store.now += 30
    store.take(TRACES, outer)
    store.turn()
    assert _metric(collector, semconv.REQUEST_DURATION) == [1]
    assert sum(_metric(collector, semconv.TOKENS_CONSUMED)) == 1100


def test_a_process_with_metrics_of_its_own_is_left_alone(
    store: Store, collector: OtlpReceiver
) -> None:
    """Its metrics may come after its spans."""
    about = {**SHOP, "service.instance.id": "a"}
    store.spans(samples.CHAT, seed=1, resource=about)
    store.spans(samples.CHAT, seed=2, resource={**SHOP, "service.instance.id": "b"})
    store.take(METRICS, _durations(about))
    store.turn()
    assert _metric(collector, semconv.REQUEST_DURATION) == [1]


def test_spans_of_ours_and_of_long_ago_are_not_counted(
    store: Store, collector: OtlpReceiver
) -> None:
    """Ours have metrics; a replay of last week is no burst of now."""
    own = samples.spans(samples.CHAT, seed=1)
    own.resource_spans[0].scope_spans[0].scope.name = semconv.SCOPE
    store.take(TRACES, own)
    store.spans(samples.CHAT, seed=2, time_ns=samples.NOW - 2 * 3600 * 10**9)
    store.turn()
    assert not collector.requests


def test_the_lake_does_not_count_them_again(store: Store, tmp_path: Path) -> None:
    """They come back through the Collector: the spans count."""
    store.spans(samples.CHAT, seed=1)
    with OtlpReceiver() as collector:
        other = Store(tmp_path / "other", collector.endpoint)
        other.spans(samples.CHAT, seed=1)
        other.turn()
        other.ingest.close()
        ((_, metrics), *_) = collector.requests
    store.take(METRICS, metrics)
    lake = llm_otel.lake.open(store.path)
    assert lake.sql("SELECT count(*) FROM metrics_hourly").fetchall() == [(0,)]
    first, last = lake.sql(
        "SELECT date_trunc('hour', min(time)), max(time) + INTERVAL 1 HOUR FROM calls"
    ).fetchall()[0]
    reader = Reader(lake, Filter(first, last))
    usage.keep_usage(reader)
    assert usage.totals(reader)[0].requests == 1


def test_the_end_of_serve_sends_what_waits(tmp_path: Path, collector: OtlpReceiver) -> None:
    """Without waiting for 90 s."""
    derived = DerivedMetrics(tmp_path, collector.endpoint)
    with derived.running(), Ingest(tmp_path, watch=derived.add) as ingest:
        request = samples.spans(samples.CHAT, resource=SHOP)
        ingest.accept(TRACES, request.SerializeToString()).result(20)
    assert _metric(collector, semconv.REQUEST_DURATION) == [1]


def _durations(about: dict[str, Any]) -> Any:
    """A request of a process that counted one call."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    samples.fill(group.resource.attributes, about)
    metric = group.scope_metrics.add().metrics.add(name=semconv.REQUEST_DURATION.name, unit="s")
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(
        start_time_unix_nano=samples.NOW, time_unix_nano=samples.NOW + 10**9, count=1, sum=0.5,
        bucket_counts=[1, 0], explicit_bounds=[10.0],
    )  # fmt: skip
    labels = {"model": "gpt-4o", "provider": "openai", "operation": "chat", **PRODUCT}
    samples.fill(point.attributes, labels)
    return request
