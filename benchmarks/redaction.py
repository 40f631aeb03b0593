"""What redaction costs: spans per CPU second of the Collector with and without its processors.

Both Collectors run the shipped configuration against the same receiver and take turns in one run;
the second one lacks the processors between `memory_limiter` and the exporter. Counted is the CPU
time of the Collector's process alone.

    python -m benchmarks.redaction
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import openai
import yaml
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llm_otel
from llm_otel import testing
from llm_otel.stack.collector import base
from tests.stack.parts import free_port
from tools.binaries.build import find

ROUNDS = 9
SPANS_PER_ROUND = 10_000
# What the SDK sends at once, every 5 s: a service with ten calls a second, and one with forty.
BATCHES = (50, 200)
TARGET = 0.30
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# CPU seconds in the time of one look that a Collector with nothing to do uses at most.
_IDLE = 0.02


def payload(spans_per_request: int) -> bytes:
    """A request with spans that the library made of chat calls."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with testing.provider() as answers:
        llm_otel.instrument(tracer_provider=provider, setup=False)
        client = openai.OpenAI(base_url=answers.url, api_key="none")
        with llm_otel.attribution(tenant_id="acme", feature="support", session_id="s-1"):
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}], temperature=0.2
            )
        llm_otel.uninstrument()
    return bytes(encode_spans(spans.get_finished_spans() * spans_per_request).SerializeToString())


class Sink:
    """A gRPC server that takes every request and keeps nothing."""

    def __init__(self) -> None:
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers((_TakesAll(),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()


class _TakesAll(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


class Collector:
    """A running Collector of the shipped configuration, or of one that leaves processors out."""

    def __init__(self, name: str, processors: tuple[str, ...], folder: Path, sink: Sink) -> None:
        self.name = name
        config = base.config()
        config["service"]["pipelines"]["traces/in"]["processors"] = list(processors)
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        port = free_port()
        environment = {
            # as the compose file has it
            "GOGC": "400",
            "GOMEMLIMIT": "300MiB",
            "COLLECTOR_OTLP_GRPC": f"127.0.0.1:{port}",
            "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{free_port()}",
            "COLLECTOR_HEALTH": f"127.0.0.1:{free_port()}",
            "COLLECTOR_METRICS_HOST": "127.0.0.1",
            "COLLECTOR_METRICS_PORT": str(free_port()),
            "COLLECTOR_STORAGE": str(folder / name),
            "TEMPO_OTLP_GRPC": f"127.0.0.1:{sink.port}",
        }
        self.process = subprocess.Popen(
            [str(find("otelcol")), "--config", str(path)],
            env={**os.environ, **environment},
            stderr=(folder / f"{name}.log").open("wb"),
        )
        self._export = grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary(_EXPORT)

    def spans_per_cpu_second(self, body: bytes, batch: int) -> float:
        """Send a round's spans in requests of `batch`, wait until all is exported; the rate."""
        before = self._cpu()
        for _ in range(SPANS_PER_ROUND // batch):
            self._export(body, timeout=60, wait_for_ready=True)
        return SPANS_PER_ROUND / (self._settled() - before)

    def _settled(self) -> float:
        while True:
            was = self._cpu()
            time.sleep(0.4)
            now = self._cpu()
            if now - was <= _IDLE:
                return now

    def _cpu(self) -> float:
        # in nanoseconds, where `stat` counts hundredths of a second
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


def measure(variants: dict[str, tuple[str, ...]], batch: int) -> dict[str, list[float]]:
    """Spans per CPU second of each variant's processors, by round."""
    body, sink = payload(batch), Sink()
    with tempfile.TemporaryDirectory() as name:
        running = [Collector(k, v, Path(name), sink) for k, v in variants.items()]
        try:
            for each in running:
                each.spans_per_cpu_second(body, batch)
            rates: dict[str, list[float]] = {each.name: [] for each in running}
            for turn in range(ROUNDS):
                for each in running[:: -1 if turn % 2 else 1]:
                    rates[each.name].append(each.spans_per_cpu_second(body, batch))
        finally:
            for each in running:
                each.process.terminate()
            for each in running:
                each.process.wait()
            sink.server.stop(None)
    return rates


def main() -> int:
    """Print the figures; 1 when redaction costs more than the target at the last batch size."""
    whole = base.PROCESSORS["traces"]
    costs = []
    for batch in BATCHES:
        rates = measure({"without": whole[:1], "with": whole}, batch)
        pairs = zip(rates["without"], rates["with"])
        costs.append(statistics.median(1 - redacted / bare for bare, redacted in pairs))
        figures = ", ".join(f"{k} {statistics.median(v):,.0f}" for k, v in rates.items())
        print(f"{batch} spans a request: {figures} spans per CPU second; costs {costs[-1]:.0%}")
    print(f"target: at most {TARGET:.0%} at {BATCHES[-1]} spans a request")
    return int(costs[-1] > TARGET)


if __name__ == "__main__":
    sys.exit(main())
