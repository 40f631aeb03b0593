"""A real OTLP/HTTP receiver for tests: keeps what it is sent, or misbehaves as told."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_MESSAGES = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class OtlpReceiver:
    """Listens on a free port of this machine inside a `with` block.

    Attributes:
        status: What every request is answered with.
        hangs: Requests are never answered while the block lasts.
        requests: Path and message of each request that came.
    """

    def __init__(self, status: int = 200, *, hangs: bool = False) -> None:
        self.status = status
        self.hangs = hangs
        self.requests: list[tuple[str, Any]] = []
        self._end = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False

    @property
    def endpoint(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[str]:
        """Names of the spans that came, in order."""
        return [
            span.name
            for resource in self.resources("/v1/traces")
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[str]:
        """Names of the metrics that came."""
        return [
            metric.name
            for resource in self.resources("/v1/metrics")
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def events(self) -> list[str]:
        """Names of the events that came."""
        return [
            record.event_name
            for resource in self.resources("/v1/logs")
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def resources(self, path: str) -> list[Any]:
        """What came at `path`, by resource."""
        field = {"/v1/traces": "spans", "/v1/metrics": "metrics", "/v1/logs": "logs"}[path]
        return [
            resource
            for at, message in self.requests
            if at == path
            for resource in getattr(message, f"resource_{field}")
        ]

    def receive(self, path: str, body: bytes) -> int:
        """Keep one request; the status to answer with."""
        message = _MESSAGES[path]()
        message.ParseFromString(body)
        self.requests.append((path, message))
        if self.hangs:
            self._end.wait()
        return self.status

    def __enter__(self) -> OtlpReceiver:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.receive(self.path, body)
            try:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                pass  # the sender has gone

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
