"""The SDK around every subject: as in production, but what is exported is dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

# Once a second, far more often than the SDK's minute: a round lasts a fraction of a second.
_COLLECT_EVERY_MS = 1000

_flushes: list[Callable[[], object]] = []


class SpansDropped(SpanExporter):
    """Counts spans and drops them."""

    count = 0

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        SpansDropped.count += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class _MetricsDropped(MetricExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> Any:
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        pass


class _LogsDropped:
    def export(self, batch: Sequence[Any]) -> None:
        pass

    def shutdown(self) -> None:
        pass


def span_processor() -> BatchSpanProcessor:
    """A batch processor that drops; flushed with the others."""
    processor = BatchSpanProcessor(SpansDropped())
    _flushes.append(processor.force_flush)
    return processor


def metric_reader() -> PeriodicExportingMetricReader:
    """A periodic reader that drops; flushed with the others."""
    reader = PeriodicExportingMetricReader(_MetricsDropped(), _COLLECT_EVERY_MS)
    _flushes.append(reader.force_flush)
    return reader


def install(*, sampled: bool = True) -> None:
    """Set the three global providers."""
    tracer_provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    tracer_provider.add_span_processor(span_processor())
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(MeterProvider([metric_reader()]))
    logger_provider = LoggerProvider()
    logger_provider.add_log_record_processor(BatchLogRecordProcessor(_LogsDropped()))  # type: ignore[arg-type]
    _flushes.append(logger_provider.force_flush)
    _logs.set_logger_provider(logger_provider)


def flush() -> None:
    """Have all that waits exported (dropped), so that its cost falls into the measurement."""
    for each in _flushes:
        each()
