"""A small, fast HTTP/1.1 server: keep-alive, a thread a connection, a write a reply or chunk."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import BinaryIO, NoReturn, cast

from .messages import ReceivedRequest, Reply, route_of

Answer = Callable[[ReceivedRequest], Reply]
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_STOP_SECONDS = 5.0


class Server(socketserver.ThreadingTCPServer):
    """Serves `answer` on a socket of its own until `close()`.

    Attributes:
        errors: Gets what is raised while a reply is sent.

    Raises:
        OSError: The address cannot be bound.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, answer: Answer, errors: list[BaseException]) -> None:
        super().__init__((host, port), _Connection)
        self.answer = answer
        self.closing = threading.Event()
        self.errors = errors
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._accepting = threading.Thread(
            target=self.serve_forever, args=(0.02,), name="llm-otel-provider", daemon=True
        )
        self._accepting.start()

    def close(self) -> None:
        """Drops every connection and ends all threads."""
        self.closing.set()
        self.shutdown()
        with self._lock:
            connections = dict(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join(_STOP_SECONDS)
        self._accepting.join(_STOP_SECONDS)
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Keeps what a lazy reply raised while it was sent, instead of printing it."""
        error = sys.exc_info()[1]
        if error is not None:
            self.errors.append(error)

    def entered(self, connection: socket.socket) -> None:
        """Notes an open connection and the thread that serves it."""
        with self._lock:
            self._open[connection] = threading.current_thread()

    def left(self, connection: socket.socket) -> None:
        """Forgets a connection."""
        with self._lock:
            self._open.pop(connection, None)


class _Connection(socketserver.BaseRequestHandler):
    server: Server
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.entered(self.request)
        reader = cast(BinaryIO, self.request.makefile("rb", 65536))
        try:
            while not self.server.closing.is_set():
                request = _read(reader, self.request)
                if request is None or not self._send(request, self.server.answer(request)):
                    return
        except OSError:
            return  # the client left
        finally:
            reader.close()
            self.server.left(self.request)

    def _send(self, request: ReceivedRequest, reply: Reply) -> bool:
        """Sends the reply; False when the connection cannot be used again."""
        keep = request.headers.get("connection", "").lower() != "close"
        self._wait(reply.delay)
        while reply.hold is not None and not reply.hold.wait(0.02):
            self._wait(0.0)
        if reply.ending == "silence":
            pass
        elif reply.chunks is not None:
            self._send_chunks(reply, keep)
        else:
            body, content_type = reply.content()
            head = _head(reply, content_type, f"content-length: {len(body)}", keep)
            if request.method == "HEAD":
                body = b""
            self.request.sendall(head + (body if reply.ending == "complete" else _half(body)))
        if reply.ending in ("hang", "silence"):
            self.request.recv(1)  # comes back when the client leaves or the server closes
        return keep and reply.ending == "complete"

    def _send_chunks(self, reply: Reply, keep: bool) -> None:
        due = _head(reply, "text/event-stream; charset=utf-8", "transfer-encoding: chunked", keep)
        for index, chunk in enumerate(reply.chunks or ()):
            if index:
                self._wait(reply.chunk_delay)
            self.request.sendall(due + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""))
            due = b""
        if reply.ending == "complete":
            due += b"0\r\n\r\n"
        if due:
            self.request.sendall(due)

    def _wait(self, seconds: float) -> None:
        closing = self.server.closing
        if closing.wait(seconds) if seconds > 0 else closing.is_set():
            raise ConnectionAbortedError("the provider is closed")


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _head(reply: Reply, content_type: str, framing: str, keep: bool) -> bytes:
    names = {name.lower() for name in reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}"]
    if "content-type" not in names:
        lines.append(f"content-type: {content_type}")
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines.append(framing)
    if not keep or reply.ending != "complete":
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read(reader: BinaryIO, connection: socket.socket) -> ReceivedRequest | None:
    """The next request of a connection; None when the client is done or does not speak HTTP."""
    start = reader.readline().decode("latin-1").split()
    if len(start) != 3:
        return None
    method, target, _ = start
    headers = _read_headers(reader)
    if not headers.get("content-length", "0").isdecimal():
        return None
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _read_chunked(reader)
    else:
        body = _exactly(reader, int(headers.get("content-length", 0)))
    path = target.partition("?")[0]
    return ReceivedRequest(method, target, path, route_of(path), headers, body)


def _read_headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _read_chunked(reader: BinaryIO) -> bytes:
    body = bytearray()
    while size := int(reader.readline().partition(b";")[0] or _gone(), 16):
        body += _exactly(reader, size)
        reader.readline()
    _read_headers(reader)  # trailers
    return bytes(body)


def _exactly(reader: BinaryIO, size: int) -> bytes:
    body = reader.read(size) if size else b""
    return body if len(body) == size else _gone()


def _gone() -> NoReturn:
    raise ConnectionAbortedError("the client left inside its request")
