"""The telemetry of many calls as the library would send it: what feeds `benchmarks.stack`."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from random import Random
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_otel import semconv

SPANS_PER_EXPORT = 100
PROCESSES = 20
METRIC_EXPORT_S = 10.0
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5-mini", "claude-sonnet-4-5", "house-llama-8b")
TENANTS = ("acme", "globex", "initech")
_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class Load:
    """The applications: their calls' spans, and their processes' metrics.

    Args:
        target: Where the Collector takes OTLP.
        rate: Calls per second.
    """

    def __init__(self, target: str, rate: int) -> None:
        channel = grpc.insecure_channel(target)
        self._traces = channel.unary_unary(_TRACES)
        self._metrics = channel.unary_unary(_METRICS)
        self._rate = rate
        self._random = Random(7)
        self._template = spans(self._random)
        self.calls = 0
        self.refused = 0

    def run(self, seconds: float) -> None:
        """Send at the rate until the time is over, and the metrics once more at the end."""
        began, exported = time.monotonic(), 0.0
        while (elapsed := time.monotonic() - began) < seconds:
            while self.calls < elapsed * self._rate:
                self._send(self._traces, self._spans())
                self.calls += SPANS_PER_EXPORT
            if elapsed - exported >= METRIC_EXPORT_S:
                exported = elapsed
                self._export_metrics(began)
            time.sleep(0.01)
        self._export_metrics(began)

    def _export_metrics(self, began: float) -> None:
        for process in range(PROCESSES):
            self._send(self._metrics, metrics(process, self.calls // PROCESSES, began))

    def _send(self, export: Any, request: Any) -> None:
        try:
            export(request.SerializeToString(), timeout=30)
        except grpc.RpcError as exc:
            self.refused += 1
            print(f"refused: {exc.code().name} {exc.details()}", file=sys.stderr)

    def _spans(self) -> ExportTraceServiceRequest:
        now = time.time_ns()
        for span in self._template.resource_spans[0].scope_spans[0].spans:
            span.trace_id, span.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
            span.start_time_unix_nano, span.end_time_unix_nano = now - 900_000_000, now
        return self._template


def spans(random: Random) -> ExportTraceServiceRequest:
    """Chat spans as the library makes them, ready to get ids and times."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(_attributes({"service.name": "assistant"}))
    scope = resource.scope_spans.add()
    for _ in range(SPANS_PER_EXPORT):
        model = random.choice(MODELS)
        span = scope.spans.add(name=f"chat {model}", kind=Span.SPAN_KIND_CLIENT)
        span.attributes.extend(
            _attributes(
                {
                    semconv.OPERATION_NAME: "chat",
                    semconv.PROVIDER_NAME: "openai",
                    semconv.REQUEST_MODEL: model,
                    semconv.RESPONSE_MODEL: model,
                    semconv.RESPONSE_ID: f"chatcmpl-{random.getrandbits(96):x}",
                    semconv.SERVER_ADDRESS: "api.openai.com",
                    semconv.TENANT_ID: random.choice(TENANTS),
                    semconv.FEATURE: "support",
                    semconv.COST_CURRENCY: "USD",
                    semconv.USAGE_INPUT_TOKENS: random.randrange(50, 4000),
                    semconv.USAGE_OUTPUT_TOKENS: random.randrange(5, 800),
                    semconv.COST_AMOUNT: random.random() / 100,
                }
            )
        )
    return request


def metrics(process: int, calls: int, began: float) -> ExportMetricsServiceRequest:
    """One process's cumulative metrics after `calls` calls."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(
        _attributes({"service.name": "assistant", "service.instance.id": f"process-{process}"})
    )
    scope = resource.scope_metrics.add()
    now = time.time_ns()
    start = now - int((time.monotonic() - began) * 1e9)
    pairs = [(model, tenant) for model in MODELS for tenant in TENANTS]
    duration = scope.metrics.add(name=semconv.REQUEST_DURATION.name, unit="s").histogram
    duration.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    bounds = semconv.REQUEST_DURATION.buckets
    for index, pair in enumerate(pairs):
        share = calls // len(pairs) + (index < calls % len(pairs))
        point = duration.data_points.add(count=share, sum=share * 0.9)
        point.explicit_bounds.extend(bounds)
        point.bucket_counts.extend(share if at == 5 else 0 for at in range(len(bounds) + 1))
        _finish(point, pair, start, now)
    for metric, per_call in ((semconv.TOKENS_CONSUMED, 400), (semconv.COST, 0.002)):
        total = scope.metrics.add(name=metric.name, unit=metric.unit).sum
        total.is_monotonic = True
        total.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        for pair in pairs:
            for kind in ("input", "output"):
                point = total.data_points.add(as_double=calls / len(pairs) * per_call)
                _finish(point, pair, start, now, token_type=kind)
    return request


def _finish(point: Any, pair: tuple[str, str], start: int, now: int, **more: str) -> None:
    model, tenant = pair
    labels = {"model": model, "provider": "openai", "operation": "chat", "feature": "support"}
    point.attributes.extend(_attributes({**labels, "tenant_id": tenant, **more}))
    point.start_time_unix_nano, point.time_unix_nano = start, now


def _attributes(values: Mapping[str, str | int | float]) -> list[KeyValue]:
    fields = {str: "string_value", int: "int_value", float: "double_value"}
    return [KeyValue(key=k, value=AnyValue(**{fields[type(v)]: v})) for k, v in values.items()]
