"""The shipped Collector on free ports, and receivers for what it exports."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_receiver import OtlpReceiver
from stack.parts import ROOT, Part, free_port

import llm_otel

CONFIG = ROOT / "collector" / "config.yaml"
OVERLAYS = ROOT / "collector" / "overlays"


class Traces:
    """A gRPC receiver of traces, as Tempo is one; keeps what comes."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[bytes] = []
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self._handler(),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def spans(self) -> list[Any]:
        """All spans that came."""
        found = []
        for body in list(self.requests):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop(None).wait()

    def _handler(self) -> grpc.GenericRpcHandler:
        receiver = self

        class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
            def service(self, handler_call_details: Any) -> Any:
                return grpc.unary_unary_rpc_method_handler(receiver._keep)

        return Handler()

    def _keep(self, body: bytes, context: Any) -> bytes:
        with self._lock:
            self.requests.append(body)
        return b""


class Metrics(OtlpReceiver):
    """An OTLP/HTTP receiver that takes compressed requests and keeps their bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def receive(self, path: str, body: bytes) -> int:
        plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.bodies.append(plain)
        return super().receive(path, plain)


class Collector:
    """The Collector with the shipped configuration, overlays and whatever a test adds.

    Args:
        folder: For its storage and log.
        configs: Files after the base, in order.
        tempo: Where spans go, `host:port`.
        prometheus: Where metrics go, as the exporter's endpoint.
        base: The first file.
        environment: More variables.
    """

    def __init__(
        self,
        folder: Path,
        *configs: Path,
        tempo: str,
        prometheus: str,
        base: Path = CONFIG,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.grpc = f"127.0.0.1:{free_port()}"
        http, health, metrics = (free_port() for _ in range(3))
        self.http = f"http://127.0.0.1:{http}"
        self.storage = folder / "storage"
        self.log = folder / "otelcol.log"
        self.own_metrics = f"http://127.0.0.1:{metrics}/metrics"
        self.part = Part(
            "otelcol",
            [f"--config={path}" for path in (base, *configs)],
            ready=f"http://127.0.0.1:{health}/",
            log=self.log,
            environment={
                "COLLECTOR_OTLP_GRPC": self.grpc,
                "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{http}",
                "COLLECTOR_HEALTH": f"127.0.0.1:{health}",
                "COLLECTOR_METRICS_HOST": "127.0.0.1",
                "COLLECTOR_METRICS_PORT": str(metrics),
                "COLLECTOR_STORAGE": str(self.storage),
                "TEMPO_OTLP_GRPC": tempo,
                "PROMETHEUS_OTLP_HTTP": prometheus,
                **(environment or {}),
            },
        )

    @property
    def events(self) -> Path:
        """Where log records go."""
        return self.storage / "events"

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *exc: object) -> None:
        self.part.stop()


@contextmanager
def exporting(
    http: str, service: str, *processors: SpanProcessor, **settings: Any
) -> Iterator[None]:
    """Instrument with exporters to a Collector; all is sent when the block has ended.

    Args:
        http: Where it takes OTLP over HTTP.
        service: The name of the service.
        processors: More for spans, before the exporter's.
        settings: As of `llm_otel.instrument`.
    """
    resource = Resource({"service.name": service})
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource)
    for each in (*processors, SimpleSpanProcessor(OTLPSpanExporter(f"{http}/v1/traces"))):
        tracers.add_span_processor(each)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{http}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{http}/v1/metrics"))
    meters = MeterProvider([reader], resource)
    llm_otel.instrument(
        tracer_provider=tracers, meter_provider=meters, logger_provider=loggers, **settings
    )
    try:
        yield
    finally:
        llm_otel.uninstrument()
        for provider in (tracers, meters, loggers):
            provider.shutdown()
