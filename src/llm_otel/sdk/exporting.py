"""Exporters that fail quietly: one log line for an outage, however many batches are lost in it.

The SDK's own exporters log every retry and every lost batch, for each signal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from enum import Enum
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from llm_otel.base import fork
from llm_otel.base.otel_internals import BATCH_LOGGER, endpoint, preferences
from llm_otel.escaping import visible
from llm_otel.sdk.native_spans import private

NO_SUCCESS = "no success"

_logger = logging.getLogger("llm_otel")


class Outage:
    """What the exporters of all signals know of their failures.

    Attributes:
        lost: Batches that were not delivered.
        closing: The process is about to end: an endpoint that does not answer is not tried again.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.closing = False
        self._causes: dict[str, str] = {}  # signal → kind of cause
        self._lock = threading.Lock()
        fork.after_in_child(self._after_fork)

    def __bool__(self) -> bool:
        return bool(self._causes)

    def begins(self, signal: str, cause: str, endpoint: str) -> None:
        """A batch was lost; logs one line, unless the loss goes on or another signal has the same.

        Args:
            signal: Which exporter.
            cause: Why, in a few words; what comes after a colon only explains it.
            endpoint: Where to.
        """
        with self._lock:
            self.lost += 1
            kind = cause.partition(":")[0]
            is_known = signal in self._causes or kind in self._causes.values()
            self._causes.setdefault(signal, kind)
        if not is_known:
            _logger.warning(
                "llm-otel cannot export telemetry to %s (%s: %s). The program goes on; telemetry "
                "is dropped until it can. Start a receiver there, name another one by "
                "OTEL_EXPORTER_OTLP_ENDPOINT, or use instrument(setup=False).",
                visible(endpoint),
                signal,
                visible(cause),
            )

    def ends(self, signal: str) -> None:
        """A batch was delivered."""
        if signal not in self._causes:
            return
        with self._lock:
            self._causes.pop(signal, None)
        if not self._causes:
            _logger.info("llm-otel can export again; %d batches were lost.", self.lost)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self.lost = 0


class _Exporting(threading.local):
    quiet: _Quiet | None = None


_exporting = _Exporting()


class _OwnWords(logging.Filter):
    """Keeps what an exporter says inside our exports from the log, and lets us hear it."""

    def filter(self, record: logging.LogRecord) -> bool:
        quiet = _exporting.quiet
        if quiet is None or record.levelno < logging.WARNING:
            return True
        quiet.overhear(record)
        return False


class _QueueFull(logging.Filter):
    """Keeps the batch processors' word of a full queue from the log during a known outage."""

    def __init__(self, outage: Outage) -> None:
        super().__init__()
        self._outage = outage

    def filter(self, record: logging.LogRecord) -> bool:
        return not (self._outage and str(record.msg).startswith("Queue full"))


_OWN_WORDS = _OwnWords()


class _Quiet:
    """What the three exporters share: they never raise, and report through one `Outage`."""

    def __init__(self, inner: Any, signal: str, outage: Outage) -> None:
        self._inner = inner
        self._signal = signal
        self._outage = outage
        self._cause = ""
        self._closed = False
        # the SDK's exporters log in the module of their class or of a base class
        for cls in type(inner).__mro__:
            logging.getLogger(cls.__module__).addFilter(_OWN_WORDS)

    def deliver(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the exporter took the batch."""
        if self._closed:
            return False
        self._cause = NO_SUCCESS
        _exporting.quiet = self
        try:
            # the three enumerations of results agree on this name only
            delivered = bool(self._inner.export(*args, **kwargs).name == "SUCCESS")
        except Exception as exc:  # noqa: BLE001 - any exporter may be named by the environment
            delivered = False
            self._cause = type(exc).__name__
        finally:
            _exporting.quiet = None
        if delivered:
            self._outage.ends(self._signal)
        else:
            self._outage.begins(self._signal, self._cause, endpoint(self._inner))
        return delivered

    def overhear(self, record: logging.LogRecord) -> None:
        """Learn from the exporter's log record why it fails; its text may hold a secret URL."""
        for arg in record.args if isinstance(record.args, tuple) else ():
            if type(arg) is int:
                self._cause = f"status {arg}"
            elif isinstance(arg, (Exception, Enum)):
                name = arg.name if isinstance(arg, Enum) else type(arg).__name__
                self._cause = f"{NO_SUCCESS}: {name}"
                if self._outage.closing:
                    self.close()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        """Nothing to do: no batch is kept."""
        return True

    def close(self) -> None:
        """Close the exporter, once; a retry that it waits for is given up."""
        if self._closed:
            return
        self._closed = True
        try:
            self._inner.shutdown()
        except Exception as exc:  # noqa: BLE001
            self._outage.begins(self._signal, type(exc).__name__, endpoint(self._inner))


class QuietSpanExporter(_Quiet, SpanExporter):
    """A span exporter that never raises and reports an outage once; content needs opt-in."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        delivered = self.deliver(private(spans))
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.close()


class QuietLogExporter(_Quiet, LogRecordExporter):
    """A log exporter that never raises and reports an outage once."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        delivered = self.deliver(batch)
        return LogRecordExportResult.SUCCESS if delivered else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        self.close()


class QuietMetricExporter(_Quiet, MetricExporter):
    """A metric exporter that never raises and reports an outage once."""

    def __init__(self, inner: Any, signal: str, outage: Outage) -> None:
        _Quiet.__init__(self, inner, signal, outage)
        # no public way, but it is what the SDK's readers ask their exporter for
        MetricExporter.__init__(self, *preferences(inner))

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        delivered = self.deliver(metrics_data, timeout_millis=timeout_millis, **kwargs)
        return MetricExportResult.SUCCESS if delivered else MetricExportResult.FAILURE

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ARG002
        self.close()


def quieten_processors(outage: Outage) -> None:
    """During an outage the SDK's batch processors do not log that their queue is full."""
    logging.getLogger(BATCH_LOGGER).addFilter(_QueueFull(outage))
