"""An application that calls models, and sends each span and count until it is taken."""

from __future__ import annotations

import secrets
import threading
import time
import urllib.error

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from stack.parts import fetch

COUNTER = "gen_ai.tokens.consumed"
_PAUSE_S = 0.02


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


class Sender(threading.Thread):
    """Calls as fast as they are taken, one after the other.

    Args:
        url: Where it sends OTLP by HTTP.
        service: Its name.

    Attributes:
        traces: Those whose span was taken.
    """

    def __init__(self, url: str, service: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._service = service
        self._end = threading.Event()
        self._began = time.time_ns()
        self.traces: list[str] = []

    def run(self) -> None:
        while not self._end.wait(_PAUSE_S):
            trace = secrets.token_bytes(16)
            self._send("traces", self._span(trace).SerializeToString())
            self.traces.append(trace.hex())
            self._send("metrics", self._count(len(self.traces)).SerializeToString())

    def reached(self, count: int) -> bool:
        """Whether so many calls were taken."""
        return len(self.traces) >= count

    def close(self) -> None:
        """Send nothing more; what is on its way is finished."""
        self._end.set()
        self.join(60)
        assert not self.is_alive(), "the Collector takes nothing"

    def _send(self, signal: str, body: bytes) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        while True:
            try:
                fetch(f"{self._url}/v1/{signal}", body, headers)
                return
            except urllib.error.HTTPError as exc:
                if exc.code not in (429, 502, 503, 504):
                    raise
            except OSError:
                pass
            time.sleep(0.1)

    def _span(self, trace: bytes) -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.append(_attribute("service.name", self._service))
        span = resource.scope_spans.add().spans.add()
        span.trace_id, span.span_id = trace, trace[:8]
        span.name, span.kind = "chat gpt-4o-mini", Span.SPAN_KIND_CLIENT
        span.end_time_unix_nano = time.time_ns()
        span.start_time_unix_nano = span.end_time_unix_nano - 1_000_000
        for key, value in (
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "gpt-4o-mini"),
        ):
            span.attributes.append(_attribute(key, value))
        return request

    def _count(self, count: int) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.append(_attribute("service.name", self._service))
        metric = resource.scope_metrics.add().metrics.add()
        metric.name, metric.unit = COUNTER, "{token}"
        metric.sum.is_monotonic = True
        cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.aggregation_temporality = cumulative
        point = metric.sum.data_points.add()
        point.as_int = count
        point.start_time_unix_nano = self._began
        point.time_unix_nano = time.time_ns()
        point.attributes.append(_attribute("model", "gpt-4o-mini"))
        return request
