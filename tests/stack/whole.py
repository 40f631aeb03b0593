"""Collector, Prometheus, Alertmanager and the notifications page, as generated, on free ports.

Time runs faster in it than in the files: rules and scrapes come every second, and waits are cut.
Windows are those of the configuration that the test gives. All else is as shipped.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from stack.parts import Part, fetch, free_port

from llm_otel.stack import alertmanager, collector, prometheus, render
from llm_otel.stack.alertmanager.receivers import SINK
from llm_otel.stack.config import Config
from llm_otel.stack.notifications import Inbox
from llm_otel.stack.notifications.server import Server

# What is cut short in the generated files.
FASTER = {
    r"\b(interval|scrape_interval|evaluation_interval): \w+": r"\1: 1s",
    r"rule_query_offset: \w+": "rule_query_offset: 1s",
    r"group_wait: \w+": "group_wait: 1s",
    r"group_interval: \w+": "group_interval: 1s",
}


def faster(path: str, text: str) -> str:
    """A generated file whose rules and scrapes come every second."""
    # what is kept by the hour has the hour in its name
    for slow, fast in {} if "hourly" in path else FASTER.items():
        text = re.sub(slow, fast, text)
    return text


@dataclass
class Whole:
    """A running stack.

    Attributes:
        config: What it was generated from.
        prometheus: The program.
        inbox: The messages that were delivered.
        at: `host:port` of grpc, http, health and own (the Collector), prometheus, alertmanager,
            notifications.
    """

    config: Config
    prometheus: Part
    inbox: Inbox
    at: Mapping[str, str]

    @property
    def otlp(self) -> str:
        """Where the Collector takes OTLP by HTTP."""
        return f"http://{self.at['http']}"

    @property
    def url(self) -> str:
        """Where Prometheus is."""
        return f"http://{self.at['prometheus']}"

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The result of an instant query, now."""
        return self._ask("query", {"query": promql})

    def query_range(self, promql: str, start: float, end: float, step: int) -> list[dict[str, Any]]:
        """The result of a range query; times in seconds."""
        return self._ask("query_range", {"query": promql, "start": start, "end": end, "step": step})

    def value(self, promql: str) -> float | None:
        """The value of a query's one sample; None where there is none."""
        found = self.query(promql)
        return float(found[0]["value"][1]) if found else None

    def _ask(self, how: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = json.loads(fetch(f"{self.url}/api/v1/{how}?{urlencode(parameters)}"))
        return list(answer["data"]["result"])


@contextmanager
def whole(
    folder: Path,
    config: Config,
    *,
    overlays: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    targets: Mapping[str, str] | None = None,
    motion: Callable[[str, str], str] = faster,
    flags: Sequence[str] = (),
) -> Iterator[Whole]:
    """Start everything.

    Args:
        folder: Where configurations and data go.
        config: What the configurations are generated from.
        overlays: Names of the Collector's overlays.
        environment: More variables for the Collector: where it sends to.
        targets: What else Prometheus shall scrape: `name:port` in the compose file -> `host:port`.
        motion: Makes time run faster in a generated file, given its path and text.
        flags: More of them for Prometheus.
    """
    names = ("grpc", "http", "health", "own", "prometheus", "alertmanager")
    at = {name: f"127.0.0.1:{free_port()}" for name in names}
    with ExitStack() as stack:
        page = stack.enter_context(Server(("127.0.0.1", 0), Inbox()))
        thread = threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(thread.join)
        stack.callback(page.shutdown)
        at["notifications"] = f"127.0.0.1:{page.server_port}"
        _write(folder, config, at, targets or {}, motion)
        stack.enter_context(_alertmanager(folder, at))
        running = stack.enter_context(_prometheus(folder, at, flags))
        stack.enter_context(_collector(folder, at, overlays, environment or {}))
        yield Whole(config, running, page.inbox, at)


def _write(
    folder: Path,
    config: Config,
    at: Mapping[str, str],
    targets: Mapping[str, str],
    motion: Callable[[str, str], str],
) -> None:
    moved = {
        **{f"- {name}": f"- {address}" for name, address in targets.items()},
        "- otel-collector:8888": f"- {at['own']}",
        "- prometheus:9090": f"- {at['prometheus']}",
        "- alertmanager:9093": f"- {at['alertmanager']}",
        SINK: f"http://{at['notifications']}",
    }
    found = {}
    for part in (collector, prometheus, alertmanager):
        for path, text in part.files(config).items():
            for name, address in moved.items():
                text = text.replace(name, address)
            found[path] = motion(path, text)
    render.write(folder, found)


def _collector(
    folder: Path, at: Mapping[str, str], overlays: Sequence[str], environment: Mapping[str, str]
) -> Part:
    host, _, port = at["own"].partition(":")
    files = ["config.yaml", *(f"overlays/{name}.yaml" for name in overlays)]
    return Part(
        "otelcol",
        [f"--config={folder / 'collector' / file}" for file in files],
        ready=f"http://{at['health']}",
        log=folder / "collector.log",
        environment={
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "COLLECTOR_HEALTH": at["health"],
            "COLLECTOR_OTLP_GRPC": at["grpc"],
            "COLLECTOR_OTLP_HTTP": at["http"],
            "COLLECTOR_METRICS_HOST": host,
            "COLLECTOR_METRICS_PORT": port,
            "PROMETHEUS_OTLP_HTTP": f"http://{at['prometheus']}/api/v1/otlp",
            "TEMPO_OTLP_GRPC": "127.0.0.1:1",
            **environment,
        },
    )


def _prometheus(folder: Path, at: Mapping[str, str], flags: Sequence[str]) -> Part:
    return Part(
        "prometheus",
        [
            f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={at['prometheus']}",
            *prometheus.FLAGS,
            *flags,
        ],
        ready=f"http://{at['prometheus']}/-/ready",
        log=folder / "prometheus.log",
    )


def _alertmanager(folder: Path, at: Mapping[str, str]) -> Part:
    return Part(
        "alertmanager",
        [
            f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            f"--web.listen-address={at['alertmanager']}",
            "--cluster.listen-address=",
        ],
        ready=f"http://{at['alertmanager']}/-/ready",
        log=folder / "alertmanager.log",
    )
