"""The first page says what is firing, as Alertmanager says it, or that nobody knows."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_otel.dashboard.app import create_app

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
ALERTS: list[Any] = [
    {"labels": {"alertname": "LLMCostHigh", "severity": "warning", "tenant_id": "acme"},
     "annotations": {"summary": "acme burns $9 an hour", "dashboard_url": "http://grafana/d/x"},
     "startsAt": "2026-11-20T15:00:00.000Z"},
    {"labels": {"alertname": "LLMErrors", "severity": "critical", "model": "<b>gpt"},
     "annotations": {"description": "5 % fail"}, "startsAt": "2026-11-20T15:20:00Z",
     "generatorURL": "javascript:alert(1)"},
    {"labels": None, "annotations": 7, "startsAt": "soon"},
    "no alert",
]  # fmt: skip


@contextmanager
def answering(status: int, body: bytes, wait: threading.Event | None = None) -> Iterator[str]:
    """A server that answers everything so."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            if wait is not None:
                wait.wait(10)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if wait is not None:
            wait.set()
        server.shutdown()
        server.server_close()
    assert all(path.startswith("/api/v2/alerts?active=true") for path in paths), paths


def card(lake: Path, url: str | None) -> str:
    """What the card gets."""
    browser = create_app(lake, clock=lambda: NOW, alertmanager=url).test_client()
    return str(browser.get("/alerts").text)


def test_what_fires_is_listed_the_worst_first(tmp_path: Path) -> None:
    """With since when, whom it concerns and a link; what is damaged costs no other."""
    with answering(200, json.dumps(ALERTS).encode()) as url:
        html = card(tmp_path, f"{url}/")
    assert html.index("LLMErrors") < html.index("LLMCostHigh"), html
    assert "acme burns $9 an hour" in html
    assert "for 30 min" in html
    assert 'href="http://grafana/d/x"' in html
    assert "&lt;b&gt;gpt" in html
    assert "javascript:" not in html


def test_nothing_fires(tmp_path: Path) -> None:
    """It says so."""
    with answering(200, b"[]") as url:
        assert "Nothing is firing." in card(tmp_path, url)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, b"", "answered 503"),
        (200, b"{}", "no list of alerts"),
        (200, b"<html>", "Expecting"),
        (200, b"[" * 200_000, "no list of alerts"),
    ],
)
def test_what_is_not_known_is_not_nothing(
    tmp_path: Path, status: int, body: bytes, why: str
) -> None:
    """An Alertmanager that does not say is no calm."""
    with answering(status, body) as url:
        html = card(tmp_path, url)
    assert "Not known: " in html
    assert why in html


def test_nobody_waits_for_it(tmp_path: Path) -> None:
    """One that hangs, and one that is not there."""
    with answering(200, b"[]", threading.Event()) as url:
        assert "timed out" in card(tmp_path, url)
    assert "did not answer" in card(tmp_path, "http://127.0.0.1:9")


def test_without_one_the_card_says_how_to_name_it(tmp_path: Path) -> None:
    """It invents nothing."""
    assert "llm-otel serve --alertmanager URL" in card(tmp_path, None)


@contextmanager
def talking(pieces: list[bytes], gap: threading.Event) -> Iterator[str]:
    """A server that sends these, a quarter of a second apart, until `gap` is set."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    gap.wait(0.25)
            except OSError:
                pass  # who asked has gone

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        gap.set()
        thread.join(10)
        listener.close()


def test_another_servers_port_is_named(tmp_path: Path) -> None:
    """One that does not speak HTTP."""
    with talking([b"SSH-2.0-OpenSSH\r\n"], threading.Event()) as url:
        assert "does not speak HTTP" in card(tmp_path, url)


def test_nobody_waits_for_an_answer_in_drops(tmp_path: Path) -> None:
    """Each piece comes in time, the whole does not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n["
    with talking([head, *[b" "] * 38, b"]"], threading.Event()) as url:
        began = time.monotonic()
        html = card(tmp_path, url)
        assert "timed out" in html
        assert time.monotonic() - began < 5
