"""A stack for the doctor to look at: real programs, and stand-ins for Tempo and Grafana."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from serving import serving
from stack.whole import whole

from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.doctor import endpoints
from llm_otel.stack.doctor.grafana import DASHBOARDS, DATASOURCES

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
        tempo, grafana: The stand-ins.
    """

    urls: dict[str, str]
    tempo: Tempo
    grafana: Web


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start everything, with the shipped configurations on free ports."""
    tempo, grafana = Tempo(), Web(grafana_pages())
    with ExitStack() as stack:
        for server in (tempo.server, grafana.server):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        tempo.grpc.start()
        stack.callback(lambda: tempo.grpc.stop(None).wait())
        analytics = stack.enter_context(serving(folder / "lake"))
        running = stack.enter_context(
            whole(
                folder,
                Config(),
                overlays=["analytics"],
                environment={
                    "TEMPO_OTLP_GRPC": tempo.target,
                    "ANALYTICS_OTLP_HTTP": analytics.http,
                },
                targets={
                    f"{each.key}:{each.port}": web.url.removeprefix("http://")
                    for each, web in ((endpoints.TEMPO, tempo), (endpoints.GRAFANA, grafana))
                },
            )
        )
        named = {"collector": "health", "otlp-grpc": "grpc", "otlp-http": "http"}
        urls = {each.key: named.get(each.key, each.key) for each in endpoints.ENDPOINTS}
        urls = {key: f"http://{running.at[at]}" for key, at in urls.items() if at in running.at}
        ours = {"tempo": tempo.url, "grafana": grafana.url, "analytics": analytics.dashboard}
        yield Stage(urls | ours, tempo, grafana)
