"""An OpenTelemetry SDK of the program's own: `llm_otel.instrument()` uses what it is given.

Everything is kept in memory for the report, and exported by OTLP: to the local receiver, and where
the standard variable `OTEL_EXPORTER_OTLP_ENDPOINT` says.
"""

from __future__ import annotations

import importlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

_PROBE_SECONDS = 1.0
_EXPORT_SECONDS = 3
_CLOSE_SECONDS = 8.0


class Telemetry:
    """Three providers, and what came to them.

    Args:
        receivers: Addresses to export to by OTLP over HTTP; None stands for what the `OTEL_*`
            variables say.

    Attributes:
        tracer_provider, meter_provider, logger_provider: For `llm_otel.instrument()`.
    """

    def __init__(self, receivers: Sequence[str | None]) -> None:
        os.environ.setdefault("OTEL_SERVICE_NAME", "assistant")
        resource = Resource.create()
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        readers: list[MetricReader] = [
            self._reader,
            *(PeriodicExportingMetricReader(_otlp("metrics", each)) for each in receivers),
        ]
        # the report needs every span, whatever the environment says of sampling
        self.tracer_provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        self.meter_provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(resource, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        for each in receivers:
            spans = BatchSpanProcessor(_otlp("traces", each))
            self.tracer_provider.add_span_processor(spans)
            events = BatchLogRecordProcessor(_otlp("logs", each))
            self.logger_provider.add_log_record_processor(events)

    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended."""
        return self._spans.get_finished_spans()

    def points(self) -> Iterator[tuple[str, Any]]:
        """Every data point of every metric, with the metric's name."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        yield metric.name, point

    def close(self) -> bool:
        """Export what is left.

        Returns:
            Whether that was done in time; what is not exported is lost.
        """
        providers = (self.tracer_provider, self.meter_provider, self.logger_provider)
        threads = [threading.Thread(target=each.shutdown, daemon=True) for each in providers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_CLOSE_SECONDS / len(threads))
        return not any(thread.is_alive() for thread in threads)


def endpoint() -> str | None:
    """Where to export to; None when nobody said it."""
    return os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or None


def listens(url: str) -> bool:
    """Whether anything listens at `url`."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 4317)
        with socket.create_connection((parts.hostname or "", port), _PROBE_SECONDS):
            return True
    except (OSError, ValueError):
        return False


_EXPORTERS = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}


def _otlp(kind: str, receiver: str | None) -> Any:
    module, exporter = _EXPORTERS[kind]
    by_grpc = receiver is None and os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc"
    package = f"opentelemetry.exporter.otlp.proto.{'grpc' if by_grpc else 'http'}"
    cls = getattr(importlib.import_module(f"{package}.{module}"), exporter)
    if receiver is None:
        return cls(timeout=_EXPORT_SECONDS)
    return cls(endpoint=f"{receiver}/v1/{kind}", timeout=_EXPORT_SECONDS)
