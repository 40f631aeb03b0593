"""OTLP over gRPC: an event loop in a thread, so that a stream that says nothing takes no thread.

The methods are declared as taking a stream of requests, of which they read one: this way the token
is looked at before the message is received.

No name of a host is looked at, as HTTP's is: that keeps web pages out whose own name points here,
and browsers speak HTTP/2 over TLS alone, which this port does not.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from typing import Any, Final

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, read_protobuf
from llm_otel.lake.ingest import Busy
from llm_otel.lake.wal import LogFull
from llm_otel.receiver.memory import Account, NoMemory
from llm_otel.receiver.service import LARGEST_BODY, PATIENCE_S, SYNC_S, Service

SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": TRACES,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": METRICS,
    "opentelemetry.proto.collector.logs.v1.LogsService": LOGS,
}

# How many messages are received at a time, and how long each may take. gRPC says nothing of a
# message before it is whole, so a silent stream holds its place for so long.
RECEIVING: Final = 64
MESSAGE_S: Final = 15.0

_THREADS: Final = 16
_STOP_S: Final = 5.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_BODY),
    # Two servers on one port would each get half of the spans.
    ("grpc.so_reuseport", 0),
    # Senders open a connection anew now and then, as behind a balancer they must.
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.max_connection_age_ms", 3_600_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
)

_Export = Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]


class GrpcServer:
    """Takes requests for `service` at an address, from construction to `close()`.

    Attributes:
        port: The port that it listens at.
    """

    def __init__(self, service: Service, address: str) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="llm-otel-grpc")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="llm-otel-grpc", daemon=True)
        self._thread.start()
        try:
            self.port: int = self._run(self._start(address))
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Answer what is under way, and stop."""
        self._run(self._server.stop(_STOP_S))
        self._end()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, address: str) -> int:
        self._receiving = asyncio.Semaphore(RECEIVING)
        self._server = grpc.aio.server(options=_OPTIONS)
        for name, signal in SERVICES.items():
            # Bytes in and out: the log wants the request as it came.
            method = grpc.stream_unary_rpc_method_handler(self._export(signal))
            handler = grpc.method_handlers_generic_handler(name, {"Export": method})
            self._server.add_generic_rpc_handlers((handler,))
        port: int = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    def _export(self, signal: int) -> _Export:
        async def export(_messages: AsyncIterator[bytes], context: Any) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            authorization = metadata.get("authorization")
            if not self._service.allows(authorization if isinstance(authorization, str) else None):
                await context.abort(
                    grpc.StatusCode.UNAUTHENTICATED,
                    "the token is missing or wrong: send the metadata "
                    "authorization: Bearer <token>",
                )
            problem = self._service.problem()
            if problem is not None:
                await _later(context, problem, 30)
            body = await self._message(context)
            try:
                return await self._loop.run_in_executor(self._threads, self._take, signal, body)
            except BadPayload as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            except NoMemory as error:
                await _later(context, str(error), 1)
            except Busy as busy:
                await _later(context, str(busy), busy.retry_after)
            except (LogFull, TooSlow) as error:
                await _later(context, str(error) or "the disk is too slow", 30)
            raise AssertionError("abort raises")

        return export

    async def _message(self, context: Any) -> bytes:
        """The one message of the stream."""
        async with self._receiving:
            try:
                message = await asyncio.wait_for(context.read(), MESSAGE_S)
            except asyncio.TimeoutError:
                await context.abort(
                    grpc.StatusCode.DEADLINE_EXCEEDED, "the request comes too slowly"
                )
        if message is grpc.aio.EOF:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "the stream ended without a request"
            )
        body: bytes = message
        return body

    def _take(self, signal: int, body: bytes) -> bytes:
        """The response, once the request is on the disk."""
        with Account(self._service.memory, PATIENCE_S) as account:
            account.grow(len(body))
            with self._service.memory.decoding(len(body)):
                request, body = read_protobuf(signal, body)
                response, body = self._service.response(signal, request, body)
                del request  # it is many times as large as its bytes
            until = time.monotonic() + PATIENCE_S
            while True:
                try:
                    self._service.accept(signal, body).result(SYNC_S)
                    encoded: bytes = response.SerializeToString()
                    return encoded
                except Busy as busy:
                    if busy.full or time.monotonic() > until:
                        raise
                    time.sleep(0.05)


async def _later(context: Any, reason: str, seconds: int) -> None:
    """Refuse for now, and say when to come back."""
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=reason)
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    status.details.add().Pack(info)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(grpc.StatusCode.UNAVAILABLE, reason)
