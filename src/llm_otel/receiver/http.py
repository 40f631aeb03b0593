"""OTLP over HTTP: protobuf and JSON, gzip and deflate, one thread a connection.

A threaded server of the standard library takes a quarter of the CPU time of an ASGI server for the
large bodies that exporters send (docs/lake.md has the figures), and its threads may simply wait for
the disk.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooSlow
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status

from llm_otel.connections import Connection, ConnectionServer
from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, from_json, read_protobuf
from llm_otel.lake.ingest import Busy
from llm_otel.lake.wal import LogFull
from llm_otel.listening import host_name
from llm_otel.receiver import compression
from llm_otel.receiver.memory import Account, NoMemory
from llm_otel.receiver.service import LARGEST_BODY, PATIENCE_S, SYNC_S, Service

PATHS: Final = {"/v1/traces": TRACES, "/v1/metrics": METRICS, "/v1/logs": LOGS}
HEALTH: Final = "/health"

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"

# The codes of google.rpc.Code that go with a status.
_CODES: Final = {
    400: 3, 401: 16, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 421: 3, 429: 8, 503: 14,
}  # fmt: skip

_LONGEST_LINE: Final = 1024
_PIECE: Final = 256 << 10
# Many clients read no answer before they sent all: so much of a body that is refused is read, of a
# sender who may send, and of a stranger.
_LONGEST_LISTENED: Final = 8 * LARGEST_BODY
_LONGEST_STRANGER: Final = 1 << 20
# After so long a connection is to be opened anew, as behind a balancer it must.
_CONNECTION_S: Final = 3600.0


class _Refused(Exception):
    """The request is answered with `status` and a reason."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HttpServer(ConnectionServer):
    """Takes requests for `service` on a socket that is bound already.

    Args:
        service: The lake as an OTLP service.
        bound: The socket.
        names: What senders call this server in their Host header; empty: any name.
    """

    def __init__(
        self, service: Service, bound: socket.socket, names: frozenset[str] = frozenset()
    ) -> None:
        self.service = service
        self.names = names
        super().__init__(_Handler, bound)


class _Handler(Connection):
    """One connection."""

    server_version = "llm-otel"
    sys_version = ""
    server: HttpServer

    def setup(self) -> None:
        """Remember when it began."""
        super().setup()
        self._opened = time.monotonic()
        self._continue = False

    def handle_expect_100(self) -> bool:
        """Ask for the body when it is known that it is wanted."""
        self._continue = True
        return True

    def do_GET(self) -> None:
        """The health page; OTLP is only sent by POST."""
        try:
            self._check_host()
            if self.path != HEALTH:
                raise self._wrong_method() if self.path in PATHS else _no_such_path()
        except _Refused as refusal:
            self._refuse(self._unread(refusal), False)
            return
        problem = self.server.service.problem()
        page = json.dumps(self.server.service.health(problem)).encode()
        self._answer(200 if problem is None else 503, page, _JSON)

    def do_POST(self) -> None:
        """Take a request."""
        kind = (self.headers["content-type"] or "").partition(";")[0].strip().lower()
        as_json = kind == _JSON
        try:
            with Account(self.server.service.memory, PATIENCE_S) as account:
                message = self._export(kind, account)
        except _Refused as refusal:
            self._refuse(refusal, as_json)
        except TimeoutError:
            self._refuse(self._last(_Refused(408, "the body comes too slowly")), as_json)
        else:
            self._answer(200, _encoded(message, as_json), _JSON if as_json else _PROTOBUF)

    def _wrong_method(self) -> _Refused:
        return _Refused(405, "OTLP is sent by POST", allow="POST")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each request would be more than the requests say."""

    def _check_host(self) -> None:
        """Hold that the sender means this server.

        Raises:
            _Refused: It asks for another name, as a page does that has its name point here.
        """
        names, header = self.server.names, self.headers["host"]
        if not names or header is None:  # every browser sends one
            return
        name = host_name(header)
        # Who knows the very address did not come by a name.
        if name not in names and name != self.connection.getsockname()[0]:
            raise _Refused(
                421,
                f"the receiver does not answer to the name {name[:100]!r}: "
                "--host-name adds one that it does",
            )

    def _check_sender(self, kind: str) -> tuple[int, str]:
        """The signal and the encoding of a request that may be sent; its body is not read yet.

        Raises:
            _Refused: It may not.
        """
        self._check_host()
        if not self.server.service.allows(self.headers["authorization"]):
            raise _Refused(
                401,
                "the token is missing or wrong: send Authorization: Bearer <token>",
                www_authenticate="Bearer",
            )
        signal = PATHS.get(self.path)
        if signal is None:
            raise _no_such_path()
        if kind not in (_PROTOBUF, _JSON):
            raise _Refused(415, f"the content type is {kind!r}: send {_PROTOBUF} or {_JSON}")
        encoding = (self.headers["content-encoding"] or "identity").strip().lower()
        if not compression.known(encoding):
            raise _Refused(415, f"the content encoding is {encoding!r}: send gzip, deflate or none")
        problem = self.server.service.problem()
        if problem is not None:
            raise _Refused(503, problem, retry_after="30")
        return signal, encoding

    def _export(self, kind: str, account: Account) -> Any:
        try:
            signal, encoding = self._check_sender(kind)
        except _Refused as refusal:
            raise self._unread(refusal) from None
        try:
            body = self._body(account)
            self.request_is_whole()
            if encoding != "identity":
                body = compression.decompressed(body, encoding, LARGEST_BODY)
                account.grow(len(body))
            with self.server.service.memory.decoding(len(body)):
                if kind == _JSON:
                    request = from_json(signal, body)
                    body = request.SerializeToString()
                else:
                    request, body = read_protobuf(signal, body)
                response, body = self.server.service.response(signal, request, body)
                del request  # it is many times as large as its bytes
        except NoMemory as error:
            raise self._last(_Refused(429, str(error), retry_after="1")) from error
        except compression.TooLarge as error:
            raise _too_large() from error
        except BadPayload as error:
            raise _Refused(400, str(error)) from error
        self._durable(signal, body)
        return response

    def _durable(self, signal: int, body: bytes) -> None:
        """Wait until the request is on the disk."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.server.service.accept(signal, body).result(SYNC_S)
                return
            except Busy as busy:
                if busy.full or time.monotonic() > until:
                    status = 503 if busy.full else 429
                    raise _Refused(status, str(busy), retry_after=str(busy.retry_after)) from busy
                time.sleep(0.05)
            except (LogFull, TooSlow) as error:
                reason = str(error) or "the disk is too slow"
                raise _Refused(503, reason, retry_after="30") from error

    def _body(self, account: Account) -> bytes:
        """The whole body as it came, within the limit."""
        if self._continue:
            self._continue = False
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        if self.headers["transfer-encoding"]:
            return self._chunked(account)
        length = self._length()
        if length > LARGEST_BODY:
            raise self._discarded(length, _LONGEST_LISTENED, _too_large())
        return b"".join(self._pieces(length, account.grow))

    def _length(self) -> int:
        length = self.headers["content-length"] or "0"
        if not (length.isascii() and length.isdecimal()):
            raise self._last(_Refused(400, f"the content length is {length[:20]!r}"))
        return int(length)

    def _pieces(self, length: int, grow: Callable[[int], None]) -> list[bytes]:
        """The next `length` bytes, for which memory is taken as they come."""
        pieces = []
        while length:
            piece = self.rfile.read(min(length, _PIECE))
            if not piece:
                raise self._last(_Refused(400, "the connection ended before the body did"))
            grow(len(piece))
            pieces.append(piece)
            length -= len(piece)
        return pieces

    def _chunked(self, account: Account) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            line = self.rfile.readline(_LONGEST_LINE).partition(b";")[0].strip()
            try:
                length = int(line, 16)
            except ValueError as error:
                raise self._last(_Refused(400, "the body is not valid chunks")) from error
            size += length
            if length < 0 or size > LARGEST_BODY:
                raise self._last(_too_large())
            pieces += self._pieces(length, account.grow)
            end = self.rfile.readline(_LONGEST_LINE)
            while length == 0 and end.strip():  # trailers
                end = self.rfile.readline(_LONGEST_LINE)
            if length == 0:
                return b"".join(pieces)

    def _unread(self, refusal: _Refused) -> _Refused:
        """A request that is refused before its body is read: of a small one the rest is read."""
        if self._continue:
            self._continue = False
            return self._last(refusal)  # it waits with its body, and may send it or not
        if self.headers["transfer-encoding"]:
            return self._last(refusal)
        return self._discarded(self._length(), _LONGEST_STRANGER, refusal)

    def _discarded(self, length: int, most: int, refusal: _Refused) -> _Refused:
        """Read a body that is not wanted, within reason."""
        if length > most:
            return self._last(refusal)
        while length > 0 and (data := self.rfile.read(min(length, 1 << 16))):
            length -= len(data)
        return refusal

    def _last(self, refusal: _Refused) -> _Refused:
        """What was not read of the body would be taken for the next request."""
        self.close_connection = True
        return refusal

    def _refuse(self, refusal: _Refused, as_json: bool) -> None:
        status = Status(code=_CODES[refusal.status], message=str(refusal))
        kind = _JSON if as_json else _PROTOBUF
        self._answer(refusal.status, _encoded(status, as_json), kind, refusal.headers)
        if self.close_connection:
            self._linger()

    def _answer(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.request_is_whole()
        if time.monotonic() - self._opened > _CONNECTION_S:
            self.close_connection = True
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

    def _linger(self) -> None:
        """Read a little on: a connection that is closed on unread bytes loses its last answer."""
        until, remaining = time.monotonic() + 1.0, _LONGEST_STRANGER
        try:
            self.connection.shutdown(socket.SHUT_WR)
            while remaining > 0 and (patience := until - time.monotonic()) > 0:
                self.connection.settimeout(patience)
                size = len(self.connection.recv(1 << 16))
                if not size:
                    return
                remaining -= size
        except OSError:
            pass  # it went away, or is silent


def _no_such_path() -> _Refused:
    return _Refused(404, f"no such path: OTLP is at {', '.join(PATHS)}")


def _too_large() -> _Refused:
    return _Refused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB: send smaller batches")


def _encoded(message: Any, as_json: bool) -> bytes:
    if as_json:
        return json.dumps(MessageToDict(message)).encode()
    encoded: bytes = message.SerializeToString()
    return encoded
