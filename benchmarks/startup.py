"""What `import llm_otel` and `instrument()` cost beyond what OpenTelemetry itself costs."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

import environments

# The same providers, exporters and threads, set up by hand as OpenTelemetry's documentation does.
_BY_HAND = """
from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
loggers = LoggerProvider()
loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
_logs.set_logger_provider(loggers)
"""
_OURS = """
import llm_otel
llm_otel.instrument()
"""
_MEASURED = """
import sys, time
started = time.perf_counter()
{code}
print(1000 * (time.perf_counter() - started), 'genai_prices.data' in sys.modules, flush=True)
import os
os._exit(0)
"""


def measure(rounds: int) -> tuple[float, float, bool]:
    """Milliseconds, medians of fresh processes taken in turn.

    Returns:
        By hand; with us beyond by hand; whether the price data was loaded by then.
    """
    by_hand, beyond, loaded = [], [], False
    for number in range(rounds + 1):
        hand, _ = _run(_BY_HAND)
        ours, early = _run(_OURS)
        if number:  # the first of each fills the caches
            by_hand.append(hand)
            beyond.append(ours - hand)
            loaded = loaded or early
    return median(by_hand), median(beyond), loaded


def _run(code: str) -> tuple[float, bool]:
    command = [sys.executable, "-c", _MEASURED.format(code=code)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environments.variables()
    )
    elapsed, loaded = done.stdout.split()
    return float(elapsed), loaded == "True"
