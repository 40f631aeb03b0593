#!/usr/local/bin/python3
"""Stands in for Tempo where its image cannot be had: keeps traces in a file, and finds them.

It refuses a configuration that Tempo 3 would refuse by its sections, is ready after 15 seconds as
Tempo is, and has acknowledged only what is on the disk.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

READY_SECONDS = 15
SECTIONS = {
    "stream_over_http_enabled", "usage_report", "server", "distributor", "memberlist", "storage",
    "live_store", "backend_worker", "backend_scheduler", "query_frontend", "querier",
    "metrics_generator", "overrides", "target", "multitenancy_enabled", "cache",
}  # fmt: skip
HTTP_PORT, GRPC_PORT = 3200, 4317
SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Store:
    """Every request that came, in one file, and the traces in it."""

    def __init__(self, path: Path) -> None:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        self._request = trace_service_pb2.ExportTraceServiceRequest
        self._lock = threading.Lock()
        self.traces: dict[str, list[Any]] = {}
        self.spans = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._load()

    def _load(self) -> None:
        self._file.seek(0)
        end = 0
        while head := self._file.read(4):
            body = self._file.read(struct.unpack(">I", head.ljust(4, b"\0"))[0])
            if len(head) < 4 or len(body) < struct.unpack(">I", head)[0]:
                break
            end = self._file.tell()
            self._index(self._request.FromString(body))
        self._file.truncate(end)

    def add(self, body: bytes, _context: Any) -> bytes:
        """Keep a request; it is on the disk when this returns."""
        with self._lock:
            self._file.write(struct.pack(">I", len(body)) + body)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._index(self._request.FromString(body))
        return b""

    def _index(self, request: Any) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    entry = (resource.resource, scope.scope, span)
                    self.traces.setdefault(span.trace_id.hex(), []).append(entry)
                    self.spans += 1

    def entries(self) -> list[Any]:
        """Each span, with its resource and its scope."""
        with self._lock:
            return [entry for entries in self.traces.values() for entry in entries]


def main(arguments: list[str]) -> int:
    """Do what Tempo does with these arguments."""
    options = {word.partition("=")[0].lstrip("-"): word.partition("=")[2] for word in arguments}
    if "health" in options:
        return _health()
    config = _config(
        Path(options["config.file"]), expand=options.get("config.expand-env") == "true"
    )
    if "config.verify" in options:
        return 0
    import grpc

    store = Store(Path(config["storage"]["trace"]["wal"]["path"]) / "requests")
    method = grpc.unary_unary_rpc_method_handler(store.add)
    handler = grpc.method_handlers_generic_handler(SERVICE, {"Export": method})
    receiver = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    receiver.add_generic_rpc_handlers((handler,))
    receiver.add_insecure_port(f"0.0.0.0:{GRPC_PORT}")
    receiver.start()
    _serve(store, config)
    return 0


def _health() -> int:
    try:
        urllib.request.urlopen(f"http://localhost:{HTTP_PORT}/ready", timeout=5).close()
    except OSError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _config(path: Path, *, expand: bool) -> dict[str, Any]:
    import yaml

    text = path.read_text()
    if expand:
        text = re.sub(
            r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: os.environ.get(m[1]) or m[2] or "", text
        )
    config: dict[str, Any] = yaml.safe_load(text)
    unknown = sorted(config.keys() - SECTIONS)
    if unknown:
        sys.exit(f"failed parsing config: field {unknown[0]} not found in type app.Config")
    return config


def _serve(store: Store, config: dict[str, Any]) -> None:
    import yaml
    from answering import metrics, serve

    ready = time.monotonic() + READY_SECONDS

    def answer(path: str, query: str, _headers: Any) -> tuple[int, Any]:
        if path == "/ready":
            waiting = time.monotonic() < ready
            return (503, b"Live-store not ready: waiting\n") if waiting else (200, b"ready\n")
        if path == "/metrics":
            return 200, metrics(tempo_distributor_spans_received_total=store.spans)
        if path == "/status/config":
            return 200, yaml.safe_dump(config).encode()
        if path.startswith(("/api/traces/", "/api/v2/traces/")):
            return _trace(store, path.rpartition("/")[2], "v2" in path)
        if path == "/api/search":
            return 200, {"traces": list(_search(store, parse_qs(query)))}
        return _tags(store, path)

    serve(HTTP_PORT, answer)


def _trace(store: Store, trace: str, wrapped: bool) -> tuple[int, Any]:
    from google.protobuf.json_format import MessageToDict

    entries = list(store.traces.get(trace.lower().zfill(32), ()))
    if not entries:
        return 404, b"trace not found\n"
    batches = [
        {
            "resource": MessageToDict(resource),
            "scopeSpans": [{"scope": MessageToDict(scope), "spans": [MessageToDict(span)]}],
        }
        for resource, scope, span in entries
    ]
    return 200, {"trace": {"resourceSpans": batches}} if wrapped else {"batches": batches}


def _search(store: Store, query: dict[str, list[str]]) -> Any:
    """Traces by their service: `{resource.service.name="…"}`, the one query that it knows."""
    wanted = re.search(r'service\.name\s*=\s*"([^"]+)"', query.get("q", [""])[0])
    limit = int(query.get("limit", ["20"])[0])
    for trace, entries in reversed(list(store.traces.items())):
        services = {_values(resource.attributes).get("service.name") for resource, _, _ in entries}
        if limit and (wanted is None or wanted[1] in services):
            limit -= 1
            yield {"traceID": trace, "rootServiceName": next(iter(services)) or ""}


def _tags(store: Store, path: str) -> tuple[int, Any]:
    scopes: dict[str, dict[str, set[str]]] = {
        "resource": {},
        "span": {},
        "intrinsic": {"name": set()},
    }
    for resource, _scope, span in store.entries():
        for scope, attributes in (("resource", resource.attributes), ("span", span.attributes)):
            for key, value in _values(attributes).items():
                scopes[scope].setdefault(key, set()).add(value)
        scopes["intrinsic"]["name"].add(span.name)
    if path == "/api/v2/search/tags":
        return 200, {"scopes": [{"name": n, "tags": sorted(t)} for n, t in scopes.items()]}
    named = re.fullmatch(r"/api/v2/search/tag/(.+)/values", path)
    if named is None:
        return 404, b"404 page not found\n"
    scope, _, name = unquote(named[1]).partition(".")
    values = scopes.get(scope, {}).get(name) or scopes["intrinsic"].get(unquote(named[1]), set())
    return 200, {"tagValues": [{"type": "string", "value": each} for each in sorted(values)]}


def _values(attributes: Any) -> dict[str, str]:
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value"))
            for each in attributes}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
