"""What the stack needs under load: memory of each service, and whether anything is lost.

Sends the telemetry of 2,000 calls per second for a minute through the shipped configurations of
Collector, Prometheus, Alertmanager and `llm-otel serve`, with the limits of the compose file, and
counts at all ends. Traces go to a receiver that counts, or to a real Tempo where there is one.

    python -m benchmarks.stack [--calls 2000] [--seconds 60] [--tempo PATH]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import llm_otel.lake
from benchmarks.stack_load import Load
from llm_otel import semconv
from llm_otel.stack import alertmanager, collector, prometheus
from llm_otel.stack.config import Config
from tests.serving import serving
from tests.stack.parts import ROOT, Part, fetch, free_port

_SETTLE_S = 60.0


@dataclass
class Addresses:
    """`host:port` of everything that runs."""

    otlp: str
    health: str
    own: str
    prometheus: str
    alertmanager: str
    tempo: str
    analytics: str


class Counter(grpc.GenericRpcHandler):
    """Takes spans as Tempo does, and counts them."""

    def __init__(self) -> None:
        self.spans = 0
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((self,))
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self._lock = threading.Lock()
        self.server.start()

    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._take)

    def _take(self, body: bytes, _context: Any) -> bytes:
        request = ExportTraceServiceRequest.FromString(body)
        count = sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)
        with self._lock:
            self.spans += count
        return b""


@contextmanager
def stack(folder: Path, limits: Mapping[str, Any], traces_to: str, analytics: str) -> Iterator[Any]:
    """The real programs with the compose file's memory settings; yields addresses and parts."""
    free = (f"127.0.0.1:{free_port()}" for _ in range(5))
    where = Addresses(*free, tempo=traces_to, analytics=analytics)
    _write(folder, where)
    with ExitStack() as running:
        parts = {
            name: running.enter_context(start(folder, where, limits[name]))
            for name, start in _STARTS.items()
        }
        yield where, parts


def _write(folder: Path, where: Addresses) -> None:
    names = {
        "otel-collector:8888": where.own,
        "- prometheus:9090": f"- {where.prometheus}",
        "- alertmanager:9093": f"- {where.alertmanager}",
    }
    for part in (collector, prometheus, alertmanager):
        for path, text in part.files(Config()).items():
            for name, address in names.items():
                text = text.replace(name, address)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)


def _collector(folder: Path, where: Addresses, service: Mapping[str, Any]) -> Part:
    # Outside a container a percentage would be one of the whole machine.
    limit = _mebibytes(service["mem_limit"])
    capped = {"limit_mib": limit * 8 // 10, "spike_limit_mib": limit // 5}
    return Part(
        "otelcol",
        [
            f"--config={folder}/collector/config.yaml",
            f"--config={folder}/collector/overlays/analytics.yaml",
            f"--config=yaml:processors::memory_limiter: {json.dumps(capped)}",
        ],
        ready=f"http://{where.health}/",
        log=folder / "collector.log",
        environment={
            **{key: service["environment"][key] for key in ("GOGC", "GOMEMLIMIT")},
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "COLLECTOR_HEALTH": where.health,
            "COLLECTOR_OTLP_GRPC": where.otlp,
            "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{free_port()}",
            "COLLECTOR_METRICS_HOST": "127.0.0.1",
            "COLLECTOR_METRICS_PORT": where.own.rpartition(":")[2],
            "TEMPO_OTLP_GRPC": where.tempo,
            "ANALYTICS_OTLP_HTTP": where.analytics,
            "PROMETHEUS_OTLP_HTTP": f"http://{where.prometheus}/api/v1/otlp",
        },
    )


def _prometheus(folder: Path, where: Addresses, service: Mapping[str, Any]) -> Part:
    # As --auto-gomemlimit does in a container.
    limit = _mebibytes(service["mem_limit"]) * 9 // 10
    return Part(
        "prometheus",
        [
            f"--config.file={folder}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={where.prometheus}",
            *prometheus.FLAGS,
        ],
        ready=f"http://{where.prometheus}/-/ready",
        log=folder / "prometheus.log",
        environment={"GOMEMLIMIT": f"{limit}MiB"},
    )


def _alertmanager(folder: Path, where: Addresses, service: Mapping[str, Any]) -> Part:
    return Part(
        "alertmanager",
        [
            f"--config.file={folder}/alertmanager/alertmanager.yml",
            f"--storage.path={folder}/alerts",
            "--cluster.listen-address=",
            f"--web.listen-address={where.alertmanager}",
        ],
        ready=f"http://{where.alertmanager}/-/ready",
        log=folder / "alertmanager.log",
        environment={"GOMEMLIMIT": service["environment"]["GOMEMLIMIT"]},
    )


_STARTS: dict[str, Callable[[Path, Addresses, Mapping[str, Any]], Part]] = {
    "alertmanager": _alertmanager,
    "prometheus": _prometheus,
    "otel-collector": _collector,
}


class Memory(threading.Thread):
    """Watches the resident memory of processes and their children.

    Attributes:
        peak: The largest seen, MiB, by name.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._over = threading.Event()
        self.peak = dict.fromkeys(pids, 0.0)

    def run(self) -> None:
        """Look four times a second."""
        while not self._over.wait(0.25):
            for name, pid in self._pids.items():
                self.peak[name] = max(self.peak[name], resident(pid))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def resident(pid: int) -> float:
    """Memory of a process and its children, MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    own = int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident(int(each)) for each in children)


def total(prometheus_: str, query: str) -> float:
    """The value of a query that gives one, 0 without a result."""
    url = f"http://{prometheus_}/api/v1/query?{urlencode({'query': query})}"
    result = json.loads(fetch(url))["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def settled(count: Callable[[], float], target: float) -> float:
    """What `count` says once it is `target`, or after a while."""
    until = time.monotonic() + _SETTLE_S
    while (value := count()) < target and time.monotonic() < until:
        time.sleep(0.5)
    return value


def _mebibytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


@contextmanager
def tempo(
    binary: str | None, folder: Path
) -> Iterator[tuple[str, int | None, Callable[[], float]]]:
    """A Tempo: where it takes spans, its process, and how many it took."""
    if binary is None:
        counter = Counter()
        yield counter.target, None, lambda: float(counter.spans)
        counter.server.stop(None)
        return
    port, http = free_port(), free_port()
    text = (ROOT / "tempo" / "tempo.yaml").read_text()
    text = text.replace("/var/tempo", str(folder / "tempo")).replace(
        "0.0.0.0:4317", f"127.0.0.1:{port}"
    )
    text = text.replace("http_listen_port: 3200", f"http_listen_port: {http}")
    (folder / "tempo.yaml").write_text(text)
    command = [
        binary,
        "-target=all",
        f"-config.file={folder}/tempo.yaml",
        "-config.expand-env=true",
    ]
    log = (folder / "tempo.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    ready = f"http://127.0.0.1:{http}"
    settled(lambda: float(_answers(f"{ready}/ready")), 1.0)

    def span_count() -> float:
        text = fetch(f"{ready}/metrics").decode()
        counts = re.findall(r"^tempo_distributor_spans_received_total\S* (\S+)", text, re.MULTILINE)
        return sum(map(float, counts))

    yield f"127.0.0.1:{port}", process.pid, span_count
    process.terminate()
    process.wait()


def _answers(url: str) -> bool:
    try:
        fetch(url)
    except OSError:
        return False
    return True


def main() -> int:
    """Print the figures; 1 when something was lost or a limit was passed."""
    options = _options()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        target, pid, spans_taken = running.enter_context(tempo(options.tempo, folder))
        served = running.enter_context(serving(folder / "lake"))
        where, parts = running.enter_context(stack(folder, services, target, served.http))
        pids = {name: part.process.pid for name, part in parts.items()}
        pids["analytics"] = served.process.pid
        memory = Memory(pids if pid is None else {**pids, "tempo": pid})
        memory.start()
        load = Load(where.otlp, options.calls)
        load.run(options.seconds)
        took = settled(spans_taken, load.calls)
        count = f"sum({semconv.REQUEST_DURATION.prometheus}_count)"
        call_count = settled(lambda: total(where.prometheus, count), load.calls)
        lake = llm_otel.lake.open(folder / "lake")
        rows = settled(lambda: lake.sql("SELECT count(*) FROM calls").fetchall()[0][0], load.calls)
        memory.stop()
    print(f"{load.calls:,} calls in {options.seconds:g} s; {load.refused} exports refused")
    print(f"spans at the other end:   {took:,.0f}")
    print(f"calls in Prometheus:      {call_count:,.0f}")
    print(f"calls in the lake:        {rows:,.0f}")
    print("| service | memory limit, MiB | most used, MiB |\n|---|---:|---:|")
    over = False
    for name, peak in memory.peak.items():
        limit = _mebibytes(services[name]["mem_limit"])
        over |= peak > limit
        print(f"| `{name}` | {limit:,} | {peak:,.0f} |")
    return int(over or load.refused > 0 or took < load.calls or {call_count, rows} != {load.calls})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack")
    parser.add_argument("--calls", type=int, default=2000, help="per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tempo", metavar="PATH", help="a Tempo 3 to send the traces to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
