"""OpenTelemetry SDK providers of their own that keep everything in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import format_span_id, format_trace_id

from llm_otel import semconv
from llm_otel.base import finalizers

from .records import EventRecord, Exemplar, LogRecord, Point, SpanRecord

# How long to wait for the end of what the garbage collector brought (s).
_SETTLED = 10.0


class IncrementalIds(IdGenerator):
    """Trace and span ids 1, 2, 3, …"""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._spans)


class Memory:
    """Three providers, and what has come to them.

    Attributes:
        tracer_provider, meter_provider, logger_provider: To be instrumented with.
    """

    def __init__(self, *, fixed_ids: bool) -> None:
        resource = Resource({})
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self._reader = InMemoryMetricReader()
        self._exemplars: dict[tuple[str, str], dict[Exemplar, None]] = {}
        self._final: list[Point] | None = None
        ids = IncrementalIds() if fixed_ids else RandomIdGenerator()
        self.tracer_provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=ids
        )
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider(
            [self._reader], resource=resource, shutdown_on_exit=False
        )
        self.logger_provider = LoggerProvider(resource, shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    def freeze(self) -> None:
        """Reads the metrics for the last time."""
        self._final = self.points()

    def close(self) -> None:
        """Shuts the providers down."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        self.logger_provider.shutdown()

    def spans(self) -> list[SpanRecord]:
        """The ended spans in the order of their start."""
        finalizers.settle(_SETTLED)
        spans = sorted(self._spans.get_finished_spans(), key=lambda span: span.start_time or 0)
        names = {span.context.span_id: span.name for span in spans}
        return [_span_record(span, names) for span in spans]

    def points(self) -> list[Point]:
        """The points of all metrics now, or when frozen."""
        if self._final is not None:
            return self._final
        finalizers.settle(_SETTLED)
        data = self._reader.get_metrics_data()
        return [
            self._point(metric.name, metric.unit or "", point)
            for of_resource in (data.resource_metrics if data else ())
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
            for point in metric.data.data_points
        ]

    def _point(self, name: str, unit: str, point: Any) -> Point:
        attributes = dict(point.attributes or {})
        # The SDK hands out an exemplar once; whoever reads the metrics twice wants it twice.
        kept = self._exemplars.setdefault((name, repr(sorted(attributes.items()))), {})
        kept.update(dict.fromkeys(_exemplars(point)))
        histogram = hasattr(point, "count")
        return Point(
            name,
            unit,
            attributes,
            value=point.sum if histogram else point.value,
            count=point.count if histogram else None,
            exemplars=tuple(kept),
        )

    def logs(self) -> list[LogRecord]:
        """The log records in the order of their coming."""
        finalizers.settle(_SETTLED)
        return [_log_record(each.log_record) for each in self._logs.get_finished_logs()]


def _span_record(span: ReadableSpan, names: Mapping[int, str]) -> SpanRecord:
    attributes = dict(span.attributes or {})
    failed = span.status.status_code.name == "ERROR"
    error = attributes.get(semconv.ERROR_TYPE) or span.status.description
    return SpanRecord(
        name=span.name,
        kind=span.kind.name,
        attributes=attributes,
        status=span.status.status_code.name,
        error=str(error) if failed else None,
        parent=names.get(span.parent.span_id) if span.parent else None,
        parent_id=format_span_id(span.parent.span_id) if span.parent else None,
        trace_id=format_trace_id(span.context.trace_id),
        span_id=format_span_id(span.context.span_id),
        start=span.start_time or 0,
        end=span.end_time or 0,
        events=tuple(EventRecord(e.name, dict(e.attributes or {})) for e in span.events),
    )


def _exemplars(point: Any) -> Iterator[Exemplar]:
    for exemplar in point.exemplars:
        if exemplar.trace_id is not None and exemplar.span_id is not None:
            trace, span = format_trace_id(exemplar.trace_id), format_span_id(exemplar.span_id)
            yield Exemplar(exemplar.value, trace, span)


def _log_record(record: Any) -> LogRecord:
    return LogRecord(
        event=record.event_name,
        body=record.body,
        attributes=dict(record.attributes or {}),
        severity=record.severity_text,
        trace_id=format_trace_id(record.trace_id) if record.trace_id else None,
        span_id=format_span_id(record.span_id) if record.span_id else None,
    )
