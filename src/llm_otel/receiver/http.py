"""OTLP over HTTP as an ASGI application: protobuf and JSON, gzip and deflate."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status

from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, from_json, from_protobuf
from llm_otel.lake.ingest import Busy
from llm_otel.lake.log import LogFull
from llm_otel.receiver.service import LARGEST_BODY, PATIENCE_S, Service

PATHS: Final = {"/v1/traces": TRACES, "/v1/metrics": METRICS, "/v1/logs": LOGS}
HEALTH: Final = "/health"

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
# For `zlib.decompressobj`: 47 tells gzip and zlib apart by itself; a raw deflate has no header.
_ENCODINGS: Final = {"gzip": 47, "x-gzip": 47, "deflate": 47}

# The codes of google.rpc.Code that go with a status.
_CODES: Final = {400: 3, 401: 16, 404: 5, 405: 12, 413: 3, 415: 3, 429: 8, 503: 14}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Refused(Exception):
    """The request is answered with `status` and a reason."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class Http:
    """The ASGI application."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        as_json = kind == _JSON
        try:
            if scope["path"] == HEALTH:
                await _answer(send, 200, b'{"status":"ok"}', _JSON)
                return
            message = await self._export(scope, headers, kind, receive)
            await _answer(send, 200, _encoded(message, as_json), _JSON if as_json else _PROTOBUF)
        except _Refused as refused:
            status = Status(code=_CODES[refused.status], message=str(refused))
            body = _encoded(status, as_json)
            form = _JSON if as_json else _PROTOBUF
            await _answer(send, refused.status, body, form, refused.headers)

    async def _export(
        self, scope: Scope, headers: dict[str, str], kind: str, receive: Receive
    ) -> Any:
        signal = PATHS.get(scope["path"])
        if signal is None:
            raise _Refused(404, f"no such path: OTLP is at {', '.join(PATHS)}")
        if scope["method"] != "POST":
            raise _Refused(405, "OTLP is sent by POST", allow="POST")
        if not self._service.allows(headers.get("authorization")):
            raise _Refused(
                401, "the token is missing or wrong: send Authorization: Bearer <token>",
                **{"www-authenticate": "Bearer"},
            )  # fmt: skip
        if kind not in (_PROTOBUF, _JSON):
            raise _Refused(415, f"the content type is {kind!r}: send {_PROTOBUF} or {_JSON}")
        body = await _body(headers, receive)
        try:
            if kind == _JSON:
                # Slow enough to hold up the others.
                request = await asyncio.to_thread(from_json, signal, body)
                body = request.SerializeToString()
            else:
                request = from_protobuf(signal, body)
        except BadPayload as error:
            raise _Refused(400, str(error)) from error
        return await self._durable(signal, request, body)

    async def _durable(self, signal: int, request: Any, body: bytes) -> Any:
        """The response, once the request is on the disk."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                done, response = self._service.export(signal, request, body)
                await _settled(done)
                return response
            except Busy as busy:
                if busy.full or time.monotonic() > until:
                    raise _Refused(
                        503 if busy.full else 429,
                        str(busy),
                        **{"retry-after": str(busy.retry_after)},
                    ) from busy
                await asyncio.sleep(0.05)
            except LogFull as error:
                raise _Refused(503, str(error), **{"retry-after": "30"}) from error


async def _settled(done: Future[None]) -> None:
    await asyncio.wrap_future(done)


async def _body(headers: dict[str, str], receive: Receive) -> bytes:
    """The whole body, decompressed, within the limit."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity" and encoding not in _ENCODINGS:
        raise _Refused(415, f"the content encoding is {encoding!r}: send gzip, deflate or none")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        raise _too_large()
    chunks, size = [], 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _Refused(400, "the connection ended before the body did")
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > LARGEST_BODY:
            raise _too_large()
        if not event.get("more_body"):
            break
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return body if encoding == "identity" else _decompressed(body, encoding)


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


async def _answer(
    send: Send, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
) -> None:
    pairs = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    encoded = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
