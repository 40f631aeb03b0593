"""What `import llm_otel` and `instrument()` cost beyond what OpenTelemetry itself costs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
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
started, cpu = time.perf_counter(), time.thread_time()
{code}
print(1000 * (time.perf_counter() - started), 1000 * (time.thread_time() - cpu))
print("genai_prices.data" in sys.modules)
import importlib.util, os
from pathlib import Path
root = Path(importlib.util.find_spec("llm_otel").origin).parent
files = [path.stem for path in (root / "clients").glob("[!_]*.py") if path.stem != "spec"]
wanted = (file.replace("__", ".") for file in files)
print(sum(name in sys.modules for name in (*wanted, *("llm_otel.clients." + f for f in files))))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Startup:
    """Milliseconds until `instrument()` returned: medians of fresh processes, taken in turn.

    Attributes:
        by_hand: Wall time of the same set-up by hand.
        beyond: Wall time with us, beyond that.
        beyond_cpu: CPU time of the main thread, likewise.
        prices_loaded: Whether the price data was loaded by then, in any of the processes.
        clients: How many client libraries, and files of ours about one, were imported by then.
    """

    by_hand: float
    beyond: float
    beyond_cpu: float
    prices_loaded: bool
    clients: int


def measure(rounds: int) -> Startup:
    """Start so many processes of either kind."""
    _run(_BY_HAND)  # the first of each fills the caches
    _run(_OURS)
    pairs = [(_run(_BY_HAND), _run(_OURS)) for _ in range(rounds)]
    return Startup(
        median(hand[0] for hand, _ in pairs),
        median(ours[0] - hand[0] for hand, ours in pairs),
        median(ours[1] - hand[1] for hand, ours in pairs),
        any(ours[2] for _, ours in pairs),
        max(ours[3] for _, ours in pairs),
    )


def _run(code: str) -> tuple[float, float, bool, int]:
    command = [sys.executable, "-c", _MEASURED.format(code=code)]
    process = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environments.variables()
    )
    wall, cpu, prices_loaded, clients = process.stdout.split()
    return float(wall), float(cpu), prices_loaded == "True", int(clients)
