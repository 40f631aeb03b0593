"""The lake's figures: how fast it takes spans in, and how many bytes a call is on disk.

Ingest: `llm-otel serve` and the OpenTelemetry Collector (OTLP/HTTP receiver, file exporter) get
the same requests from the same clients, in turns, in one run; ours gets requests under the names of
other instrumentations too (OpenInference, OpenLLMetry, the AI SDK, Langfuse, Pydantic AI), which
are longer, as these capture messages. Ours answers when the request is on the disk, and is timed
until the last span is a row; the Collector answers when it wrote, without a sync. A few requests go
before, as the first span without a cost loads the prices. CPU time is that of the server's process,
from /proc. Clients share the machine's cores.

Disk: a million calls, written and compacted as the server does it, with and without ids.

    python -m benchmarks.lake [--rounds N] [--requests N] [--calls N]
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa

import llm_otel.lake
from benchmarks import trace_requests
from benchmarks.older_spans import EMITTERS
from benchmarks.trace_requests import SPANS_PER_REQUEST
from llm_otel.lake.maintenance import compact
from llm_otel.lake.writer import Writer
from tests.stack.parts import free_port
from tools.binaries.build import find

CLIENTS = 4
# Requests before those that are measured: a few of each emitter.
WARM_UP = 2 * len(EMITTERS)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Taken:
    """One round: seconds until all was acknowledged, until all was readable, of CPU; milliseconds
    a request."""

    acknowledged: float
    readable: float
    cpu: float
    p50_ms: float
    p95_ms: float


def ours(bodies: Sequence[bytes], folder: Path) -> Taken:
    """`llm-otel serve` without its dashboard."""
    port = free_port()
    command = [sys.executable, "-m", "llm_otel", "serve", "--lake", str(folder), "--no-dashboard",
               "--http-port", str(port), "--grpc-port", str(free_port())]  # fmt: skip
    lake = llm_otel.lake.open(folder)

    def span_count() -> int:
        number: int = lake.sql("SELECT count(*) FROM spans").fetchall()[0][0]
        return number

    return _round(command, port, "/health", bodies, span_count)


def collector(bodies: Sequence[bytes], folder: Path) -> Taken:
    """The Collector with its file exporter."""
    folder.mkdir()
    port, health, output = free_port(), free_port(), folder / "spans.json"
    settings = {
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"file": {"path": str(output)}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
        },
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))

    def stored() -> int:
        if not output.exists():
            return 0
        return sum(line.count(b'"spanId"') for line in output.open("rb"))

    command = [str(find("otelcol")), "--config", str(config)]
    return _round(command, port, "/", bodies, stored, health=health)


def _round(
    command: Sequence[str], port: int, ready: str, bodies: Sequence[bytes],
    span_count: Callable[[], int], health: int | None = None,
) -> Taken:  # fmt: skip
    with _running(command, health or port, ready) as process:
        _send(bodies[:WARM_UP], port)
        _wait(span_count, WARM_UP * SPANS_PER_REQUEST)
        before, began = _cpu(process.pid), time.perf_counter()
        latencies = _send(bodies[WARM_UP:], port)
        acknowledged = time.perf_counter() - began
        _wait(span_count, len(bodies) * SPANS_PER_REQUEST)
        readable = time.perf_counter() - began
        cpu = _cpu(process.pid) - before
    cuts = statistics.quantiles(latencies, n=20)
    return Taken(acknowledged, readable, cpu, cuts[9] * 1000, cuts[18] * 1000)


def _wait(span_count: Callable[[], int], spans: int) -> None:
    until = time.monotonic() + 60
    while (number := span_count()) < spans:
        if time.monotonic() > until:
            raise RuntimeError(f"{number} of {spans} spans were stored")
        time.sleep(0.05)


@contextmanager
def _running(command: Sequence[str], port: int, path: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    break
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _send(bodies: Sequence[bytes], port: int) -> list[float]:
    """Send all; a request that is told to come back does."""
    latencies: list[float] = []

    def client(mine: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"content-type": "application/x-protobuf"}
        for body in mine:
            began, status = time.perf_counter(), 0
            while status != 200:
                connection.request("POST", "/v1/traces", body, headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            latencies.append(time.perf_counter() - began)

    threads = [
        threading.Thread(target=client, args=(bodies[number::CLIENTS],))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(latencies) < len(bodies):
        raise RuntimeError("a client failed")
    return latencies


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def ingest(rounds: int, requests: int) -> None:
    """Print spans per second, ours under both kinds of names and the Collector's, in turns."""
    source = random.Random(1)
    own = [trace_requests.own(source) for _ in range(requests + WARM_UP)]
    scopes = itertools.islice(itertools.cycle(EMITTERS), requests + WARM_UP)
    older = [trace_requests.older(source, scope) for scope in scopes]
    spans = requests * SPANS_PER_REQUEST
    sizes = " and ".join(
        f"{sum(map(len, bodies[WARM_UP:])) / spans:.0f}" for bodies in (own, older)
    )
    print(f"{spans:,} spans of {sizes} bytes a round, {CLIENTS} clients, {rounds} rounds")
    subjects = {
        "llm-otel serve": (ours, own),
        "llm-otel serve, older names": (ours, older),
        "otelcol, file": (collector, own),
    }
    results: dict[str, list[Taken]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, (run, bodies) in subjects.items():
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(run(bodies, Path(folder) / "out"))
    print("| server | spans/s to the ack | spans/s readable | per CPU second | p50 ms | p95 ms |")
    print("|---|---|---|---|---|---|")
    for name, outcomes in results.items():
        print(
            f"| {name} | {spans / statistics.median(t.acknowledged for t in outcomes):,.0f} "
            f"| {spans / statistics.median(t.readable for t in outcomes):,.0f} "
            f"| {spans / statistics.median(t.cpu for t in outcomes):,.0f} "
            f"| {statistics.median(t.p50_ms for t in outcomes):.0f} "
            f"| {statistics.median(t.p95_ms for t in outcomes):.0f} |"
        )
    mine, others, theirs = results.values()
    _ratio(
        "readable, ours to the Collector's", [b.readable / a.readable for a, b in zip(mine, theirs)]
    )
    _ratio("CPU, older names to our own", [b.cpu / a.cpu for a, b in zip(mine, others)])


def _ratio(name: str, ratios: Sequence[float]) -> None:
    print(f"{name}: {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


def disk(calls: int) -> None:
    """Print the bytes of a call."""
    print("| calls | ids | bytes a call |")
    print("|---|---|---|")
    for ids in (False, True):
        folder = Path(tempfile.mkdtemp())
        try:
            with Writer(folder) as writer:
                for part in range(50):
                    writer.append(calls=_calls(calls // 50, part, ids=ids))
                store = writer.tables["calls"]
                for _ in range(2):
                    compact(store, datetime.now(timezone.utc).date())
                size = sum(size for files in store.days().values() for _, size in files)
            print(f"| {calls:,} | {'all' if ids else 'none'} | {size / calls:.1f} |")
        finally:
            shutil.rmtree(folder)


def _calls(count: int, part: int, *, ids: bool) -> pa.Table:
    """Calls of one month: few models and tenants, most of the traffic on few of them."""
    source = np.random.default_rng(part)

    def choice(prefix: str, kinds: int) -> pa.Array:
        return pa.array([f"{prefix}-{n}" for n in source.zipf(1.5, count) % kinds])

    def hexes(width: int, each: int = 1, prefix: str = "") -> pa.Array:
        values = [source.bytes(width).hex() for _ in range(-(-count // each))]
        return pa.array([prefix + values[number // each] for number in range(count)])

    tokens_in = source.lognormal(6.5, 1, count).astype(np.int64)
    tokens_out = source.lognormal(5, 1, count).astype(np.int64)
    models = choice("gpt-4o", 20)
    failed = source.random(count) < 0.03
    start = 1_790_000_000_000_000 + part * 50_000_000_000
    rows = {
        "time": pa.array(
            start + np.sort(source.integers(0, 50_000_000_000, count)), pa.timestamp("us")
        ),
        "service_name": pa.array(["assistant"] * count),
        "environment": pa.array(["production"] * count),
        "name": pa.array([f"chat {model}" for model in models.to_pylist()]),
        "operation": pa.array(["chat"] * count),
        "provider": pa.array(["openai"] * count),
        "model": models,
        "response_model": pa.array([f"{model}-2024-08-06" for model in models.to_pylist()]),
        "tenant_id": choice("tenant", 50),
        "feature": choice("feature", 10),
        "status": pa.array(np.where(failed, "error", "ok")),
        "error_type": pa.array(["rate_limit" if each else None for each in failed]),
        "finish_reasons": pa.array([["stop"]] * count),
        "duration_s": source.lognormal(0, 0.8, count).round(9),
        "first_chunk_s": source.lognormal(-1, 0.5, count).round(9),
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "cache_read_tokens": (tokens_in * (source.random(count) < 0.3)) // 128 * 128,
        "cost_usd": tokens_in * 2.5e-6 + tokens_out * 1e-5,
        "cost_source": pa.array(["local"] * count),
        "streaming": source.random(count) < 0.6,
    }
    if ids:
        rows |= {
            "trace_id": hexes(16, 2),
            "span_id": hexes(8),
            "parent_span_id": hexes(8, 2),
            "response_id": hexes(12, 1, "chatcmpl-"),
            "session_id": hexes(16, 20),
            "conversation_id": hexes(16, 10),
            "user": choice("0123456789abcdef" * 4, 5000),
        }
    return pa.table(rows)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--calls", type=int, default=1_000_000)
    options = parser.parse_args()
    ingest(options.rounds, options.requests)
    disk(options.calls)


if __name__ == "__main__":
    main()
