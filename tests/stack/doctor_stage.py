"""A stack for the doctor to look at: real programs, and stand-ins for Tempo and Grafana."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stack.parts import Part, free_port

from llm_otel.stack import alertmanager, collector, panels, prometheus
from llm_otel.stack.config import Config
from llm_otel.stack.doctor import endpoints
from llm_otel.stack.doctor.grafana import DASHBOARDS, DATASOURCES
from llm_otel.stack.notifications.messages import Inbox
from llm_otel.stack.notifications.server import Server

Pages = dict[str, tuple[int, str]]


class Web:
    """Answers GET by a table of paths that a test can change.

    Attributes:
        pages: Path (without a query) -> status and body.
        logins: What came as `Authorization`, in order.
    """

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.logins: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.logins += self.headers.get_all("Authorization") or []
                status, body = outer.pages.get(self.path.partition("?")[0], (404, "not here"))
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


class Tempo(Web):
    """Takes spans by gRPC as Tempo does, and finds traces by their id."""

    def __init__(self) -> None:
        super().__init__({"/ready": (200, "ready"), "/metrics": (200, "up 1\n")})
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        method = grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=ExportTraceServiceRequest.FromString
        )
        self.grpc = grpc.server(ThreadPoolExecutor(2))
        handler = grpc.method_handlers_generic_handler(service, {"Export": method})
        self.grpc.add_generic_rpc_handlers((handler,))
        self.target = f"127.0.0.1:{self.grpc.add_insecure_port('127.0.0.1:0')}"
        self.loses = False

    def _export(self, request: ExportTraceServiceRequest, _context: Any) -> bytes:
        for resource in request.resource_spans:
            for span in (each for scope in resource.scope_spans for each in scope.spans):
                if not self.loses:
                    page = (200, json.dumps({"name": span.name}))
                    self.pages[f"/api/traces/{span.trace_id.hex()}"] = page
        return b""


def grafana_pages() -> Pages:
    """What Grafana answers when all is well."""
    found: Pages = {
        "/api/health": (200, '{"database": "ok", "version": "13.2.3"}'),
        "/metrics": (200, "up 1\n"),
        "/api/search": (200, json.dumps([{"uid": uid} for uid in DASHBOARDS])),
        "/api/dashboards/home": (200, json.dumps({"dashboard": {"uid": panels.OPERATIONS}})),
    }
    for path in DATASOURCES.values():
        found[path] = (200, '{"status": "OK"}')
    for uid in DASHBOARDS:
        dashboard = {"uid": uid, "panels": [{"id": 1}, {"id": 2}]}
        found[f"/api/dashboards/uid/{uid}"] = (200, json.dumps({"dashboard": dashboard}))
    return found


@dataclass
class Stage:
    """A running stack.

    Attributes:
        urls: Addresses by the doctor's keys.
        parts: The real programs by the same keys.
        tempo, grafana: The stand-ins.
    """

    tempo: Tempo
    grafana: Web
    urls: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start everything, with the shipped configurations on free ports."""
    with ExitStack() as stack:
        found = Stage(Tempo(), Web(grafana_pages()))
        notifications = Server(("127.0.0.1", 0), Inbox())
        for server in (found.tempo.server, found.grafana.server, notifications):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        found.tempo.grpc.start()
        stack.callback(lambda: found.tempo.grpc.stop(None).wait())
        ports = {each.key: free_port() for each in endpoints.ENDPOINTS}
        found.urls.update({key: f"http://127.0.0.1:{port}" for key, port in ports.items()})
        found.urls["tempo"], found.urls["grafana"] = found.tempo.url, found.grafana.url
        found.urls["notifications"] = f"http://127.0.0.1:{notifications.server_port}"
        own = free_port()
        _write(folder, found.urls, own)
        found.parts["alertmanager"] = stack.enter_context(_alertmanager(folder, found.urls))
        found.parts["prometheus"] = stack.enter_context(_prometheus(folder, found.urls))
        found.parts["collector"] = stack.enter_context(_collector(folder, found, own))
        yield found


def _write(folder: Path, urls: Mapping[str, str], own: int) -> None:
    """The generated files, with this stage's addresses, and no minute between two looks."""
    names = {
        "otel-collector:8888": f"127.0.0.1:{own}",
        "http://notifications:8025": urls["notifications"],
    }
    for each in (endpoints.PROMETHEUS, endpoints.ALERTMANAGER, endpoints.TEMPO, endpoints.GRAFANA):
        names[f"- {each.key}:{each.port}"] = f"- {urls[each.key].removeprefix('http://')}"
    config = Config()
    for part in (collector, prometheus, alertmanager):
        for path, text in part.files(config).items():
            for name, address in names.items():
                text = text.replace(name, address)
            if "hourly" not in path:
                text = re.sub(r"\b((?:scrape_|evaluation_)?interval): \w+", r"\1: 1s", text)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)


def _collector(folder: Path, stage: Stage, own: int) -> Part:
    urls = stage.urls
    return Part(
        "otelcol",
        [f"--config={folder / 'collector' / 'config.yaml'}"],
        ready=urls["collector"],
        log=folder / "collector.log",
        environment={
            "COLLECTOR_STORAGE": str(folder / "queue"),
            "COLLECTOR_HEALTH": urls["collector"].removeprefix("http://"),
            "COLLECTOR_OTLP_GRPC": urls["otlp-grpc"].removeprefix("http://"),
            "COLLECTOR_OTLP_HTTP": urls["otlp-http"].removeprefix("http://"),
            "COLLECTOR_METRICS_HOST": "127.0.0.1",
            "COLLECTOR_METRICS_PORT": str(own),
            "TEMPO_OTLP_GRPC": stage.tempo.target,
            "PROMETHEUS_OTLP_HTTP": f"{urls['prometheus']}/api/v1/otlp",
        },
    )


def _prometheus(folder: Path, urls: Mapping[str, str]) -> Part:
    address = urls["prometheus"]
    return Part(
        "prometheus",
        [
            f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            *prometheus.FLAGS,
        ],
        ready=f"{address}/-/ready",
        log=folder / "prometheus.log",
    )


def _alertmanager(folder: Path, urls: Mapping[str, str]) -> Part:
    address = urls["alertmanager"]
    return Part(
        "alertmanager",
        [
            f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            "--cluster.listen-address=",
            f"--web.listen-address={address.removeprefix('http://')}",
        ],
        ready=f"{address}/-/ready",
        log=folder / "alertmanager.log",
    )
