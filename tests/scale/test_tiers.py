"""Two tiers of Collectors with a real Kafka between them lose nothing and double nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import tiers, tiers_load
from benchmarks.tiers_programs import programs
from tests.lake import samples

pytestmark = pytest.mark.slow

# What a broker takes as one message, unless told otherwise.
LARGEST_MESSAGE = 1_048_588


@pytest.mark.parametrize("killed", ["tier1", "tier2", "kafka"])
def test_a_crash_loses_nothing_and_doubles_nothing(killed: str, tmp_path: Path) -> None:
    """Of 2,000 spans, and of a counter and scores beside them, everything is there once."""
    outcome = tiers.measure(tmp_path, rate=1000, spans=2000, killed=[killed])
    assert outcome.sent == 2000
    assert outcome.whole, tiers.report(outcome)


def test_what_is_larger_than_a_message_arrives(tmp_path: Path) -> None:
    """A trace and a count of many labels, each in one request that Kafka would refuse as it is."""
    trace = one_trace(2000)
    counts = samples.counter(1, time_ns=time.time_ns(), start_ns=time.time_ns() - 10**9)
    (metric,) = counts.resource_metrics[0].scope_metrics[0].metrics
    first = metric.sum.data_points[0]
    for number in range(19_999):
        point = metric.sum.data_points.add()
        point.CopyFrom(first)
        samples.fill(point.attributes, {"feature": f"feature-{number}"})
    bodies = {"trace": trace.SerializeToString(), "metrics": counts.SerializeToString()}
    assert min(map(len, bodies.values())) > LARGEST_MESSAGE
    with programs(tmp_path) as running:
        load = tiers_load.Load(running.otlp, 1)
        for signal, body in bodies.items():
            load.send(signal, body)

        def stored() -> tuple[int, int]:
            counted = "SELECT coalesce(sum(sum), 0) FROM metrics_hourly"
            return running.query("SELECT count(*) FROM spans"), running.query(counted)

        tiers.await_that(lambda: stored() == (2000, 20_000), 60)
        assert stored() == (2000, 20_000), running.why()


def one_trace(count: int) -> ExportTraceServiceRequest:
    """So many answered chats in one trace."""
    request = ExportTraceServiceRequest.FromString(tiers_load.template())
    spans = request.resource_spans[0].scope_spans[0].spans
    while len(spans) < count:
        spans.add().CopyFrom(spans[len(spans) % tiers_load.SPANS_PER_REQUEST])
    for number, span in enumerate(spans, 1):
        span.trace_id, span.span_id = b"t" * 16, number.to_bytes(8, "big")
    return request
