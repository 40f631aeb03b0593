"""Whether many calls make a process grow. Run by `run.py` in a process of its own.

Prints one JSON object: resident memory (KiB) and objects after the first and after the second half
of the calls and of the abandoned streams, and how many requests are active in the end.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import openai
import telemetry
import transport
import workloads
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import llm_otel


def main(calls: int, streams: int) -> None:
    """Make the calls, half by half, and print what was seen."""
    reader = InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(telemetry.span_processor())
    llm_otel.instrument(
        tracer_provider=tracers,
        meter_provider=MeterProvider([reader]),
        setup=False,
        clients=("openai",),
    )
    client = openai.OpenAI(api_key="sk-none", http_client=transport.client())
    chat = workloads.calls()["chat"]
    figures: dict[str, Any] = {}
    _repeat(chat, calls // 10)
    _repeat(lambda: workloads.abandon(client), streams // 10)
    figures["calls"] = _halves(chat, calls, reader)
    figures["streams"] = _halves(lambda: workloads.abandon(client), streams, reader)
    figures["active"] = _active(reader)
    print(json.dumps(figures))


def _repeat(call: Any, times: int) -> None:
    for _ in range(times):
        call()


def _halves(call: Any, times: int, reader: InMemoryMetricReader) -> list[tuple[int, int]]:
    samples = []
    for _ in range(2):
        _repeat(call, times // 2)
        telemetry.flush()
        reader.get_metrics_data()
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples.append((pages * 4, len(gc.get_objects())))
    return samples


def _active(reader: InMemoryMetricReader) -> int:
    data: Any = reader.get_metrics_data()
    return sum(
        int(point.value)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.requests.active"
        for point in metric.data.data_points
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
