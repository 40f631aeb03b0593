"""OTLP over HTTP: protobuf and JSON, gzip and deflate, one thread a connection.

A threaded server of the standard library takes a quarter of the CPU time of an ASGI server for the
large bodies that exporters send (docs/lake.md has the figures), and its threads may simply wait for
the disk.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status

from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, from_json, read_protobuf
from llm_otel.lake.ingest import Busy
from llm_otel.lake.log import LogFull
from llm_otel.receiver.service import LARGEST_BODY, PATIENCE_S, SYNC_S, Service

PATHS: Final = {"/v1/traces": TRACES, "/v1/metrics": METRICS, "/v1/logs": LOGS}
HEALTH: Final = "/health"

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
# For `zlib.decompressobj`: 47 tells gzip and zlib apart by itself; a raw deflate has no header.
_ENCODINGS: Final = {"gzip": 47, "x-gzip": 47, "deflate": 47}

# The codes of google.rpc.Code that go with a status.
_CODES: Final = {400: 3, 401: 16, 404: 5, 405: 12, 413: 3, 415: 3, 429: 8, 503: 14}

# Connections at a time; others wait to be accepted. A silent one is closed after some seconds.
_CONNECTIONS: Final = 256
_SILENCE_S: Final = 60
_LAST_ANSWERS_S: Final = 5.0
_LONGEST_LINE: Final = 1024
# Of a body that is too large, so many times the limit are read before the refusal.
_LONGEST_LISTENED: Final = 8

_logger = logging.getLogger("llm_otel.receiver")


class _Refused(Exception):
    """The request is answered with `status` and a reason."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HttpServer(ThreadingHTTPServer):
    """Serves `service` on a socket that is bound already."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: Service, bound: socket.socket) -> None:
        self.service = service
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[socket.socket] = set()
        self.address_family = bound.family
        super().__init__(bound.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.server_name, self.server_port = bound.getsockname()[:2]
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection, when there is room."""
        self._room.acquire()
        self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._room.release()

    def server_close(self) -> None:
        """Answer what was read, take nothing more, and close every connection."""
        super().server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it is closed already
        until = time.monotonic() + _LAST_ANSWERS_S
        for _ in range(_CONNECTIONS):
            self._room.acquire(timeout=max(0.0, until - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that goes away is no error of ours."""
        _logger.debug("A connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "llm-otel"
    sys_version = ""
    timeout = _SILENCE_S
    wbufsize = -1
    server: HttpServer

    def do_GET(self) -> None:
        """The health page; OTLP is only sent by POST."""
        if self.path == HEALTH:
            self._answer(200, b'{"status":"ok"}', _JSON)
        else:
            self._refuse(self._wrong_method() if self.path in PATHS else _no_such_path(), False)

    def do_POST(self) -> None:
        """Take a request."""
        kind = (self.headers["content-type"] or "").partition(";")[0].strip().lower()
        as_json = kind == _JSON
        try:
            message = self._export(kind)
        except _Refused as refused:
            self._refuse(refused, as_json)
        else:
            self._answer(200, _encoded(message, as_json), _JSON if as_json else _PROTOBUF)

    def _wrong_method(self) -> _Refused:
        return _Refused(405, "OTLP is sent by POST", allow="POST")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each request would be more than the requests say."""

    def _export(self, kind: str) -> Any:
        body = self._body()
        signal = PATHS.get(self.path)
        if signal is None:
            raise _no_such_path()
        if not self.server.service.allows(self.headers["authorization"]):
            raise _Refused(
                401,
                "the token is missing or wrong: send Authorization: Bearer <token>",
                www_authenticate="Bearer",
            )
        if kind not in (_PROTOBUF, _JSON):
            raise _Refused(415, f"the content type is {kind!r}: send {_PROTOBUF} or {_JSON}")
        body = _plain(body, (self.headers["content-encoding"] or "identity").strip().lower())
        try:
            if kind == _JSON:
                request = from_json(signal, body)
                body = request.SerializeToString()
            else:
                request, body = read_protobuf(signal, body)
        except BadPayload as error:
            raise _Refused(400, str(error)) from error
        return self._durable(signal, request, body)

    def _durable(self, signal: int, request: Any, body: bytes) -> Any:
        """The response, once the request is on the disk."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                done, response = self.server.service.export(signal, request, body)
                done.result(SYNC_S)
                return response
            except Busy as busy:
                if busy.full or time.monotonic() > until:
                    status = 503 if busy.full else 429
                    raise _Refused(status, str(busy), retry_after=str(busy.retry_after)) from busy
                time.sleep(0.05)
            except (LogFull, TimeoutError) as error:
                reason = str(error) or "the disk is too slow"
                raise _Refused(503, reason, retry_after="30") from error

    def _body(self) -> bytes:
        """The whole body as it came, within the limit."""
        if self.headers["transfer-encoding"]:
            return self._chunked()
        length = self.headers["content-length"] or "0"
        if not length.isdecimal():
            raise self._last(_Refused(400, f"the content length is {length[:20]!r}"))
        if int(length) > LARGEST_BODY:
            raise self._discarded(int(length))
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise self._last(_Refused(400, "the connection ended before the body did"))
        return body

    def _chunked(self) -> bytes:
        chunks, size = [], 0
        while True:
            line = self.rfile.readline(_LONGEST_LINE).partition(b";")[0].strip()
            try:
                length = int(line, 16)
            except ValueError as error:
                raise self._last(_Refused(400, "the body is not valid chunks")) from error
            size += length
            if length < 0 or size > LARGEST_BODY:
                raise self._last(_too_large())
            chunks.append(self.rfile.read(length))
            end = self.rfile.readline(_LONGEST_LINE)
            while length == 0 and end.strip():  # trailers
                end = self.rfile.readline(_LONGEST_LINE)
            if length == 0:
                return b"".join(chunks)

    def _discarded(self, length: int) -> _Refused:
        """Many clients read no answer before they sent all: let them, within reason."""
        if length > _LONGEST_LISTENED * LARGEST_BODY:
            return self._last(_too_large())
        while length > 0 and (read := self.rfile.read(min(length, 1 << 16))):
            length -= len(read)
        return _too_large()

    def _last(self, refused: _Refused) -> _Refused:
        """What was not read of the body would be taken for the next request."""
        self.close_connection = True
        return refused

    def _refuse(self, refused: _Refused, as_json: bool) -> None:
        status = Status(code=_CODES[refused.status], message=str(refused))
        kind = _JSON if as_json else _PROTOBUF
        self._answer(refused.status, _encoded(status, as_json), kind, refused.headers)

    def _answer(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        if self.close_connection:
            fields["Connection"] = "close"
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _no_such_path() -> _Refused:
    return _Refused(404, f"no such path: OTLP is at {', '.join(PATHS)}")


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in _ENCODINGS:
        raise _Refused(415, f"the content encoding is {encoding!r}: send gzip, deflate or none")
    return _decompressed(body, encoding)


def _decompressed(body: bytes, encoding: str) -> bytes:
    for window in (_ENCODINGS[encoding], -15):
        inflate = zlib.decompressobj(window)
        try:
            plain = inflate.decompress(body, LARGEST_BODY + 1)
        except zlib.error as error:
            if encoding == "deflate" and window > 0:
                continue
            raise _Refused(400, f"the body is not valid {encoding}: {error}") from error
        if len(plain) > LARGEST_BODY:
            raise _too_large()
        if not inflate.eof:
            raise _Refused(400, f"the body is not valid {encoding}: it ends too early")
        return plain
    raise AssertionError(encoding)


def _too_large() -> _Refused:
    return _Refused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB: send smaller batches")


def _encoded(message: Any, as_json: bool) -> bytes:
    if as_json:
        return json.dumps(MessageToDict(message)).encode()
    encoded: bytes = message.SerializeToString()
    return encoded
