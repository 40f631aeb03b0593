"""Connections of an HTTP server: how many, how long each may take, and which one must go.

Whoever can reach the port can open connections and say nothing, or send a byte now and then. None
of them keeps others out: a request has a limit of time and a slowest rate, and where there is no
room for a new connection, the one that has kept the server waiting for longest is closed.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

# Seconds without a request, after which a connection is closed.
SILENCE_S: Final = 60.0
# A request may take `GRACE_S` seconds and one more for every `SLOWEST` bytes, and `REQUEST_S` at
# most: a body of 64 MiB needs 9 Mbit/s.
GRACE_S: Final = 10.0
SLOWEST: Final = 64 << 10
REQUEST_S: Final = 60.0
# The answer, once the sender reads it.
ANSWER_S: Final = 10.0

_LAST_ANSWERS_S: Final = 5.0
_ROOM_S: Final = 1.0
# No file descriptor is left: others need a moment to close theirs.
_PAUSE_S: Final = 0.05

_logger = logging.getLogger(__name__)


class TimedReader(io.RawIOBase):
    """Reads a connection within the limits of time.

    Attributes:
        waiting: Since when a sender is waited for (monotonic); None while its request is answered.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.next_request()

    def next_request(self) -> None:
        """Wait for a request from now on."""
        self.waiting: float | None = time.monotonic()
        self._began: float | None = None
        self._received = 0

    def readable(self) -> bool:
        """True, as `io.BufferedReader` wants to know."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What has come, once something has.

        Raises:
            TimeoutError: The sender is silent, or too slow.
        """
        self._connection.settimeout(self._remaining())
        size = self._connection.recv_into(buffer)
        if self._began is None:
            self._began = time.monotonic()
        self._received += size
        return size

    def _remaining(self) -> float:
        if self._began is None:
            return SILENCE_S
        allowed = min(REQUEST_S, GRACE_S + self._received / SLOWEST)
        remaining = self._began + allowed - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the request takes too long")
        return remaining


class Connection(BaseHTTPRequestHandler):
    """One connection: a handler whose reader keeps the time."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: ConnectionServer

    def setup(self) -> None:
        """Read by a `TimedReader`."""
        super().setup()
        self.rfile.close()
        self.reader = TimedReader(self.connection)
        self.rfile = io.BufferedReader(self.reader, 1 << 16)
        self.server.readers[self.connection] = self.reader

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.reader.next_request()
        super().handle_one_request()

    def request_is_whole(self) -> None:
        """From here on the sender waits for the receiver, not the other way round."""
        self.reader.waiting = None
        self.connection.settimeout(ANSWER_S)


class ConnectionServer(ThreadingHTTPServer):
    """Serves `handler` on a socket that is bound already.

    Attributes:
        most: Connections at a time, each with a thread.
        readers: The reader of each open connection.
    """

    most = 128
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[Connection], bound: socket.socket) -> None:
        self._room = threading.BoundedSemaphore(self.most)
        self.readers: dict[socket.socket, TimedReader] = {}
        self.address_family = bound.family
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.server_name, self.server_port = bound.getsockname()[:2]
        self.server_activate()

    def get_request(self) -> Any:
        """The next connection; where no descriptor is left for it, there is one soon."""
        try:
            return super().get_request()
        except OSError:
            self._close_one()
            time.sleep(_PAUSE_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection, in the place of another where there are too many."""
        if not self._room.acquire(blocking=False):
            self._close_one()
            if not self._room.acquire(timeout=_ROOM_S):
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.readers.pop(request, None)
            self._room.release()

    def _close_one(self) -> None:
        """Close the connection that a sender has kept waiting for longest."""
        waiting = {
            connection: reader.waiting
            for connection, reader in list(self.readers.items())
            if reader.waiting is not None
        }
        if waiting:
            _end(min(waiting, key=lambda connection: waiting[connection] or 0.0), socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Answer what was read, take nothing more, and close every connection."""
        super().server_close()
        for connection in list(self.readers):
            _end(connection, socket.SHUT_RD)
        until = time.monotonic() + _LAST_ANSWERS_S
        for _ in range(self.most):
            self._room.acquire(timeout=max(0.0, until - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that goes away is no error of the server."""
        _logger.debug("A connection broke", exc_info=True)


def bind(host: str, port: int) -> socket.socket:
    """A socket for a server, at an address of either family; port 0: any that is free.

    Raises:
        OSError: The port is taken or not allowed, or the address is not of this machine.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _end(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        pass  # it is closed already
