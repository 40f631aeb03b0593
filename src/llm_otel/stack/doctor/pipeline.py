"""Whether what is sent to the Collector comes out at the other end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import SERVICE_NAME

from llm_otel import semconv
from llm_otel.stack.doctor.endpoints import items, target
from llm_otel.stack.doctor.result import Result, failed, ok
from llm_otel.stack.doctor.web import fetch, wait

_AREA: Final = "pipeline"
SERVICE: Final = "llm-otel-doctor"
_SECONDS: Final = 5.0
_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# Sent with the value 0, so no panel and no alert changes.
_METRIC: Final = semconv.INTERNAL_ERRORS


@dataclass(frozen=True, slots=True)
class Probe:
    """A test signal.

    Attributes:
        what: What people call it.
        problem: Why it was not accepted; empty when it was.
        stores: Where it should come out -> asks whether it did.
    """

    what: str
    problem: str
    stores: Mapping[str, Callable[[], bool]]


def check(where: Mapping[str, str], seconds: float) -> Iterator[Result]:
    """Send two spans and a metric, and look for them in Tempo, Prometheus and the lake.

    Args:
        where: Addresses by key, as of `endpoints.addresses`.
        seconds: How long to look for all of them.
    """
    until = time.monotonic() + seconds
    for signal in (_span_by_grpc(where), _span_by_http(where), _metric_by_http(where)):
        if signal.problem:
            todo = "Read the log: docker compose logs otel-collector."
            yield failed(_AREA, f"The Collector takes no {signal.what}: {signal.problem}", todo)
            continue
        for store, arrived in signal.stores.items():
            if wait(arrived, until - time.monotonic()):
                yield ok(_AREA, f"A {signal.what} went in and came out of {store}")
            else:
                text = f"A {signal.what} was taken and is not in {store} after {seconds:g} s"
                todo = "Read the log: docker compose logs otel-collector."
                yield failed(_AREA, text, todo)


def _span_by_grpc(where: Mapping[str, str]) -> Probe:
    trace = secrets.token_bytes(16)
    problem = ""
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target(where["otlp-grpc"]), options) as channel:
        export = channel.unary_unary(_EXPORT)
        try:
            export(_span(trace).SerializeToString(), timeout=_SECONDS)
        except grpc.RpcError as exc:
            problem = f"{exc.code().name} {exc.details()}"
    return Probe("span over gRPC", problem, _stores(where, trace))


def _span_by_http(where: Mapping[str, str]) -> Probe:
    trace = secrets.token_bytes(16)
    problem = _post(f"{where['otlp-http']}/v1/traces", _span(trace))
    return Probe("span over HTTP", problem, _stores(where, trace))


def _metric_by_http(where: Mapping[str, str]) -> Probe:
    began = time.time()
    problem = _post(f"{where['otlp-http']}/v1/metrics", _metric(began))
    query = f'timestamp({_METRIC.prometheus}{{service_name="{SERVICE}"}}) >= {began:.3f}'
    url = f"{where['prometheus']}/api/v1/query?{urlencode({'query': query})}"

    def arrived() -> bool:
        return bool(items(fetch(url), "data", "result"))

    return Probe("metric over HTTP", problem, {"Prometheus": arrived})


def _stores(where: Mapping[str, str], trace: bytes) -> dict[str, Callable[[], bool]]:
    stores = {"Tempo": _shows(f"{where['tempo']}/api/traces/{trace.hex()}")}
    if "analytics" in where:
        # the table of a trace's page, as a browser saves it
        page = f"{where['analytics']}/csv/spans?of=/traces/{trace.hex()}"
        stores["the lake"] = _shows(page)
    return stores


def _shows(url: str) -> Callable[[], bool]:
    def arrived() -> bool:
        answer = fetch(url)
        return answer.ok and semconv.CHAT in answer.text

    return arrived


def _post(url: str, message: Any) -> str:
    headers = {"Content-Type": "application/x-protobuf"}
    answer = fetch(url, message.SerializeToString(), headers)
    return "" if answer.ok else answer.brief()


def _span(trace: bytes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    spans.resource.attributes.append(_attribute(SERVICE_NAME, SERVICE))
    span = spans.scope_spans.add().spans.add()
    span.trace_id, span.span_id = trace, trace[:8]
    span.name, span.kind = semconv.CHAT, Span.SPAN_KIND_CLIENT
    span.end_time_unix_nano = time.time_ns()
    span.start_time_unix_nano = span.end_time_unix_nano - 1_000_000
    span.attributes.append(_attribute(semconv.OPERATION_NAME, semconv.CHAT))
    return request


def _metric(now: float) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add()
    metrics.resource.attributes.append(_attribute(SERVICE_NAME, SERVICE))
    metric = metrics.scope_metrics.add().metrics.add()
    metric.name, metric.unit = _METRIC.name, _METRIC.unit
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    point = metric.sum.data_points.add()
    point.as_int = 0
    point.time_unix_nano = int(now * 1e9) + 1_000_000
    point.start_time_unix_nano = point.time_unix_nano - 1_000_000
    return request


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
