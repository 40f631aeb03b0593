"""OTLP over gRPC."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, read_protobuf
from llm_otel.lake.ingest import Busy
from llm_otel.lake.log import LogFull
from llm_otel.receiver.service import LARGEST_BODY, PATIENCE_S, SYNC_S, Service

SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": TRACES,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": METRICS,
    "opentelemetry.proto.collector.logs.v1.LogsService": LOGS,
}

_THREADS: Final = 16


def server(service: Service) -> grpc.Server:
    """A gRPC server that takes OTLP; not bound, not started."""
    built = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="llm-otel-grpc"),
        options=[
            ("grpc.max_receive_message_length", LARGEST_BODY),
            # Two servers on one port would each get half of the spans.
            ("grpc.so_reuseport", 0),
        ],
    )
    for name, signal in SERVICES.items():
        # Bytes in and out: the log wants the request as it came.
        method = grpc.unary_unary_rpc_method_handler(_export(service, signal))
        handler = grpc.method_handlers_generic_handler(name, {"Export": method})
        built.add_generic_rpc_handlers((handler,))
    return built


def _export(service: Service, signal: int) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = dict(context.invocation_metadata())
        authorization = metadata.get("authorization")
        if not service.allows(authorization if isinstance(authorization, str) else None):
            context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "the token is missing or wrong: send the metadata authorization: Bearer <token>",
            )
        try:
            request, body = read_protobuf(signal, body)
        except BadPayload as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return _durable(service, signal, request, body, context)

    return export


def _durable(
    service: Service, signal: int, request: Any, body: bytes, context: grpc.ServicerContext
) -> bytes:
    """The response, once the request is on the disk."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            done, response = service.export(signal, request, body)
            done.result(SYNC_S)
            encoded: bytes = response.SerializeToString()
            return encoded
        except Busy as busy:
            if busy.full or time.monotonic() > until:
                _later(context, str(busy), busy.retry_after)
            time.sleep(0.05)
        except (LogFull, TimeoutError) as error:
            _later(context, str(error) or "the disk is too slow", 30)


def _later(context: grpc.ServicerContext, reason: str, seconds: int) -> None:
    """Refuse for now, and say when to come back."""
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=reason)
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    status.details.add().Pack(info)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNAVAILABLE, reason)
