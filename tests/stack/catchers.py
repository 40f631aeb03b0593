"""Stand-ins for the world that messages go to: an HTTP receiver and a mail server."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest


def wait_for(found: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """The first true thing that `found` gives, asked again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"{what}: not within {seconds:.0f} s; last: {found()!r}")


class Posts:
    """What was posted, by path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[tuple[str, Any]] = []
        self.url = ""

    def add(self, path: str, body: Any) -> None:
        with self._lock:
            self._all.append((path, body))

    def at(self, path: str) -> list[Any]:
        """The bodies that came to a path, oldest first."""
        with self._lock:
            return [body for where, body in self._all if where == path]

    def everything(self) -> list[tuple[str, Any]]:
        """Every path and body, oldest first."""
        with self._lock:
            return list(self._all)


@contextmanager
def http_receiver() -> Iterator[Posts]:
    """A server that takes JSON at every path, and says what Slack would."""
    posts = Posts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.add(self.path, json.loads(body))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        posts.url = f"http://127.0.0.1:{server.server_port}"
        with _running(server):
            yield posts


@contextmanager
def mail_server() -> Iterator[tuple[str, list[EmailMessage]]]:
    """A mail server: its `host:port`, and what was mailed."""
    mails: list[EmailMessage] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 test")
            while line := self.rfile.readline():
                word = line.split()[0].upper().decode()
                if word == "DATA":
                    self._say("354 go on")
                    mails.append(self._mail())
                self._say("221 bye" if word == "QUIT" else "250 ok")
                if word == "QUIT":
                    return

        def _mail(self) -> EmailMessage:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            read = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            return cast(EmailMessage, read)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        host, port = server.server_address[:2]
        with _running(server):
            yield f"{host!s}:{port}", mails


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
