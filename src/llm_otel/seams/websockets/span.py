"""The span of a WebSocket connection, which is no call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.base import read
from llm_otel.core import errors
from llm_otel.protocols.errors import by_status

if TYPE_CHECKING:
    from llm_otel.base.finalizers import Moment
    from llm_otel.content.policy import Policy
    from llm_otel.core.runtime import Runtime
    from llm_otel.core.server import Server
    from llm_otel.protocols.spec import Socket


def start(
    runtime: Runtime, socket: Socket, host: Server, model: str | None, context: Context
) -> Span:
    """Start the span, before the handshake.

    Args:
        runtime: Where to emit.
        socket: What the connection's events are.
        host: Who answers.
        model: What the program connects to; None where each response names its own.
        context: The caller's.
    """
    attributes = {
        semconv.OPERATION_NAME: semconv.CONNECT,
        **host.attributes,
        **socket.endpoint.attributes,
    }
    name = semconv.CONNECT
    if model is not None:
        attributes[semconv.REQUEST_MODEL] = model
        name = f"{name} {model}"
    attributes.update(current(context).span_attributes)
    return runtime.tracer.start_span(name, context, SpanKind.CLIENT, attributes)


def end(
    span: Span,
    socket: Socket,
    policy: Policy,
    at: Moment,
    exc: BaseException | None,
    reconnects: int,
) -> None:
    """End the span.

    Args:
        span: The span.
        socket: What the connection's events are.
        policy: Decides whether the text of an exception may be shown.
        at: When the connection ended.
        exc: Why, if it failed or broke.
        reconnects: How often the SDK connected again.
    """
    if exc is not None:
        protocol = socket.endpoint.protocol
        code = protocol.status(exc) or read.integer(read.path(exc, ("response", "status_code")))
        span.set_attribute(semconv.ERROR_TYPE, errors.full_name(exc))
        kind = by_status(code) if code is not None else errors.classify(exc, protocol)
        span.set_attribute(semconv.ERROR_CLASS, kind)
        if code is not None:
            span.set_attribute(semconv.HTTP_STATUS_CODE, code)
        span.set_status(Status(StatusCode.ERROR, policy.quote(exc)))
    if reconnects:
        span.set_attribute(semconv.HTTP_RESEND_COUNT, reconnects)
    span.end(at.epoch_ns)
