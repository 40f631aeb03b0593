"""Two tiers of Collectors with Kafka between them and the lake behind, as processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import yaml

import llm_otel.lake
from benchmarks.redaction import Sink
from benchmarks.tiers_kafka import Kafka
from llm_otel.stack import prometheus
from tests.serving import Served, serving
from tests.stack.parts import ROOT, Part, free_port

TIERS: Final = ("tier1", "tier2")
_OVERLAYS: Final = {"tier1": ("kafka",), "tier2": ("analytics", "kafka-tier2")}
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Programs:
    """All that runs, and how much of the processors each has used.

    Attributes:
        otlp: Where the first tier takes OTLP by gRPC.
        prometheus: Where Prometheus answers.
        lake: The folder of the lake.
        kafka: The broker.
    """

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._before: dict[str, float] = {}
        self.lake = folder / "lake"
        self._traces = running.enter_context(_taker())
        self._served: Served = running.enter_context(serving(self.lake))
        self.prometheus, prometheus_part = self._start_prometheus()
        self.kafka = kafka = Kafka(folder / "kafka")
        self._parts: dict[str, Part | Kafka] = {
            "kafka": running.enter_context(kafka),
            "prometheus": running.enter_context(prometheus_part),
        }
        self.otlp = f"127.0.0.1:{free_port()}"
        for name, otlp in zip(TIERS, (self.otlp, f"127.0.0.1:{free_port()}")):
            self._parts[name] = running.enter_context(self._collector(name, otlp, kafka.address))

    def crash(self, name: str) -> None:
        """Kill one of them, and start it again."""
        part = self._parts[name]
        self._before[name] = self.cpu()[name]
        part.kill()
        part.start()

    def cpu(self) -> dict[str, float]:
        """The processor time of each so far, s."""
        running = {name: part.process.pid for name, part in self._parts.items()}
        running["lake"] = self._served.process.pid
        return {name: self._before.get(name, 0) + _cpu(pid) for name, pid in running.items()}

    def query(self, sql: str) -> int:
        """The one number that a query of the lake gives; 0 as long as there is no lake."""
        try:
            return int(llm_otel.lake.open(self.lake).sql(sql).fetchall()[0][0])
        except (llm_otel.lake.LakeError, OSError):
            return 0

    def why(self) -> str:
        """What the Collectors logged last."""
        return "\n".join((self._folder / f"{name}.log").read_text()[-2000:] for name in TIERS)

    def _start_prometheus(self) -> tuple[str, Part]:
        address, config = f"127.0.0.1:{free_port()}", self._folder / "prometheus.yml"
        document = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
        sections = ("global", "otlp", "storage")
        config.write_text(yaml.safe_dump({key: document[key] for key in sections}))
        part = Part(
            "prometheus",
            [
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder}/metrics",
                f"--web.listen-address={address}",
                *prometheus.FLAGS,
            ],
            ready=f"http://{address}/-/ready",
            log=self._folder / "prometheus.log",
        )
        return address, part

    def _collector(self, name: str, otlp: str, broker: str) -> Part:
        """A Collector of one tier, with the files and the settings of the compose file."""
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        settings = services["otel-collector"]["environment"]
        files = ("config.yaml", *(f"overlays/{each}.yaml" for each in _OVERLAYS[name]))
        health, own = f"127.0.0.1:{free_port()}", free_port()
        return Part(
            "otelcol",
            [
                *(f"--config={ROOT}/collector/{each}" for each in files),
                # outside a container a percentage would be one of the whole machine
                "--config=yaml:processors::memory_limiter: {limit_mib: 409, spike_limit_mib: 102}",
            ],
            ready=f"http://{health}/",
            log=self._folder / f"{name}.log",
            environment={
                **{key: settings[key] for key in ("GOGC", "GOMEMLIMIT") if key in settings},
                "COLLECTOR_STORAGE": str(self._folder / name),
                "COLLECTOR_HEALTH": health,
                "COLLECTOR_OTLP_GRPC": otlp,
                "COLLECTOR_OTLP_HTTP": f"127.0.0.1:{free_port()}",
                "COLLECTOR_METRICS_HOST": "127.0.0.1",
                "COLLECTOR_METRICS_PORT": str(own),
                "KAFKA_BROKER": broker,
                "TEMPO_OTLP_GRPC": self._traces,
                "ANALYTICS_OTLP_HTTP": self._served.http,
                "PROMETHEUS_OTLP_HTTP": f"http://{self.prometheus}/api/v1/otlp",
            },
        )


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def _taker() -> Iterator[str]:
    """A gRPC server in Tempo's place that takes every request; its address."""
    sink = Sink()
    yield f"127.0.0.1:{sink.port}"
    sink.server.stop(None)


@contextmanager
def programs(folder: Path) -> Iterator[Programs]:
    """Run everything; stop it afterwards."""
    with ExitStack() as running:
        yield Programs(folder, running)
