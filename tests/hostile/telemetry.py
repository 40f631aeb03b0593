"""Watch what we emit while a program runs: what begins ends once, and can be exported."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import Any

from opentelemetry.exporter.otlp.proto.common._internal.metrics_encoder import EncodingException
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

import llm_otel
from llm_otel.core import runtime

_PRICES_SECONDS = 30
_DROPPED_SECONDS = 5

# What we say of a host or a model whose tokens or cost we cannot know: no fault.
_SAID = ("has no price for", "got no usage from a stream of")


class Spans(SpanProcessor):
    """Counts the spans that start and keeps those that end."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.started += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Log(logging.Handler):
    """Keeps what we and OpenTelemetry log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Watch:
    """In-memory telemetry of one block.

    Attributes:
        spans: What was started and ended.
        log: What we and OpenTelemetry logged, unknown prices and usage left out.
        metrics: All points at the end of the block, by metric's name: attributes and value.
    """

    def __init__(self) -> None:
        self.spans = Spans()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self.spans)
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.events = InMemoryLogRecordExporter()
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.events))
        self._handler = Log()
        self._checked = 0
        self.log: list[str] = []
        self.metrics: dict[str, list[tuple[dict[str, Any], Any]]] = {}

    def listen(self) -> None:
        """Begin to hear the log."""
        for name in ("llm_otel", "opentelemetry"):
            logging.getLogger(name).addHandler(self._handler)

    def wrong(self) -> str:
        """What is wrong now: in the log, or when what came since the last time is exported."""
        fresh, self._checked = self.spans.ended[self._checked :], len(self.spans.ended)
        encode_spans(fresh).SerializeToString()
        encode_logs(self.events.get_finished_logs()).SerializeToString()
        self.events.clear()
        data = self._reader.get_metrics_data()
        if data is not None:
            self.metrics = _points(data)
            try:
                encode_metrics(data).SerializeToString()
            except EncodingException as error:
                return f"metrics cannot be exported: {error}"
        lines = [line for line in self._handler.lines if not any(each in line for each in _SAID)]
        self.log += lines
        self._handler.lines.clear()
        return "\n".join(lines)

    def settle(self) -> None:
        """Have collected what the program has dropped, also where a thread of a library lets go of
        it a little later."""
        deadline = monotonic() + _DROPPED_SECONDS
        gc.collect()
        while self.spans.started != len(self.spans.ended) and monotonic() < deadline:
            Event().wait(0.01)
            gc.collect()

    def close(self) -> None:
        """Collect for the last time."""
        self.wrong()
        for name in ("llm_otel", "opentelemetry"):
            logging.getLogger(name).removeHandler(self._handler)
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        self.logger_provider.shutdown()

    def value(self, metric: str, **attributes: str) -> float:
        """The sum of a metric's points with these attributes; of a histogram, how many values."""
        return sum(
            value
            for labels, value in self.metrics.get(metric, [])
            if attributes.items() <= labels.items()
        )

    def check(self, calls: int | None = None) -> None:
        """Fail unless every call that began ended once, without a word in the log.

        Args:
            calls: How many calls there were; None where that does not matter.
        """
        ended = len(self.spans.ended)
        self.check_ended()
        assert self.value("gen_ai.request.duration") == ended, self.metrics
        assert self.log == []
        assert calls in (None, ended), f"expected {calls} calls, got {ended}"

    def check_ended(self) -> None:
        """Fail if a span is open or a call active."""
        spans, ended = self.spans.started, len(self.spans.ended)
        assert spans == ended, f"{spans} spans started, {ended} ended"
        active = self.metrics.get("gen_ai.requests.active", [])
        assert all(value == 0 for _, value in active), f"active requests: {active}"


def _points(data: MetricsData) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    return {
        metric.name: [
            (dict(point.attributes or {}), getattr(point, "count", None) or point.value)  # type: ignore[union-attr]
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@contextmanager
def watched(**settings: Any) -> Iterator[Watch]:
    """`instrument()` for a block, its telemetry kept here."""
    watch = Watch()
    watch.listen()
    llm_otel.instrument(
        tracer_provider=watch.tracer_provider,
        meter_provider=watch.meter_provider,
        logger_provider=watch.logger_provider,
        **settings,
    )
    try:
        active = runtime.active()
        assert active is not None
        active.pricing.wait(_PRICES_SECONDS)
        yield watch
    finally:
        watch.close()
        llm_otel.uninstrument()
