"""SDK 2: its own spans, enriched while they are open; durations; the attribution at the server.

The one module that uses what this SDK keeps private: where it opens its client's span, where it
takes a response, and the middleware that opens its server's span.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import get_current
from opentelemetry.trace import Span

from llm_otel import semconv
from llm_otel.attribution import with_incoming
from llm_otel.base import guard
from llm_otel.base.otel_internals import tracer_provider_is_set
from llm_otel.core import runtime
from llm_otel.mcp import transports
from llm_otel.mcp.exchange import CLIENT, SERVER_V2, Exchange, current
from llm_otel.mcp.package import MCP
from llm_otel.seams import patches
from llm_otel.seams.patches import Patch

_logger = logging.getLogger("llm_otel")

# Requests whose span is open: who sent it, and its id as text, as a peer may send 7 back as "7".
_open: dict[tuple[int, str], Exchange] = {}


def install() -> None:
    """Hook the SDK's modules, each when it is imported."""
    patches.install(MCP, _CLIENT)
    patches.install(MCP, _PRIVATE, on_unknown=_unknown)


@lru_cache(maxsize=1)
def _warn(functions: str) -> None:
    _logger.warning(
        "llm-otel does not know this version of mcp (%s): the SDK's spans stay as it makes them. "
        "A newer llm-otel may know it.",
        functions,
    )


def _unknown(functions: list[str]) -> None:
    _warn(", ".join(functions))


# ------------------------------------------------------------------ the client
def _sending(original: Any, *, in_process: bool = False) -> Callable[..., Any]:
    async def send_raw_request(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        exchange = _sent(self, args, kwargs, in_process)
        if exchange is None:
            return await original(self, *args, **kwargs)
        try:
            with exchange:
                result = await original(self, *args, **kwargs)
                exchange.returned(result)
            return result
        finally:
            _open.pop(_key(self, exchange), None)

    return send_raw_request


def _sent(
    dispatcher: Any, args: tuple[Any, ...], kwargs: dict[str, Any], in_process: bool
) -> Exchange | None:
    try:
        active = runtime.live()
        if active is None:
            return None
        arguments = {**dict(zip(("method", "params", "opts"), args)), **kwargs}
        options = arguments.get("opts") or {}
        version = transports.version_in(options.get("headers"))
        stream = getattr(dispatcher, "_write_stream", None)

        def details() -> Mapping[str, Any]:
            return {**version, **transports.of_stream(stream)}

        return Exchange(
            active,
            CLIENT,
            arguments["method"],
            arguments.get("params"),
            details,
            get_current(),
            # In a process the SDK makes none, and without a global provider it would go nowhere.
            own_span=in_process or not tracer_provider_is_set(),
            owner=dispatcher,
        )
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)
        return None


def _writing(original: Any) -> Callable[..., Any]:
    async def _write(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current()
        if exchange is not None and exchange.owner is self:
            _opened(self, exchange, message)
        return await original(self, message, *args, **kwargs)

    return _write


def _opened(dispatcher: Any, exchange: Exchange, message: Any) -> None:
    """The request is about to be written: the current span is the SDK's, made for it."""
    try:
        request_id = getattr(message, "id", None)
        if getattr(message, "method", None) is None or request_id is None or exchange.request_id:
            return
        exchange.request_id = str(request_id)
        _open[_key(dispatcher, exchange)] = exchange
        exchange.adopt(trace.get_current_span())
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)


def _resolving(original: Any) -> Callable[..., Any]:
    def _resolve_pending(self: Any, request_id: Any, outcome: Any) -> Any:
        exchange = _open.pop((id(self), str(request_id)), None)
        if exchange is not None:
            exchange.returned(outcome)
        return original(self, request_id, outcome)

    return _resolve_pending


def _key(dispatcher: Any, exchange: Exchange) -> tuple[int, str]:
    return id(dispatcher), exchange.request_id


# ------------------------------------------------------------------ the server
def _answering(original: Any) -> Callable[..., Any]:
    async def __call__(self: Any, ctx: Any, call_next: Any) -> Any:
        around = trace.get_current_span()

        async def observed(context: Any) -> Any:
            exchange = _received(context, around)
            if exchange is None:
                return await call_next(context)
            with exchange:
                result = await call_next(context)
                exchange.returned(result)
            return result

        return await original(self, ctx, observed)

    return __call__


def _received(request: Any, around: Span) -> Exchange | None:
    """The exchange of a request, inside the SDK's span; `around` is the span outside of it."""
    try:
        active = runtime.live()
        if active is None:
            return None
        constant = {semconv.MCP_PROTOCOL_VERSION: request.protocol_version}

        def details() -> Mapping[str, Any]:
            return {**constant, **transports.of_request(request.request)}

        context, span = get_current(), trace.get_current_span()
        if isinstance(request.meta, Mapping):
            context = with_incoming(context, propagate.extract(request.meta))
        method, params = request.method, request.params
        exchange = Exchange(
            active,
            SERVER_V2,
            method,
            params,
            details,
            context,
            own_span=not tracer_provider_is_set(),
            around=around,
        )
        exchange.adopt(span)
        return exchange
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)
        return None


_CLIENT = (
    Patch(
        "mcp.shared.jsonrpc_dispatcher",
        "JSONRPCDispatcher.send_raw_request",
        _sending,
        ("method", "params", "opts"),
    ),
    Patch(
        "mcp.shared.direct_dispatcher",
        "DirectDispatcher.send_raw_request",
        partial(_sending, in_process=True),
        ("method", "params", "opts"),
    ),
)
_PRIVATE = (
    Patch("mcp.shared.jsonrpc_dispatcher", "JSONRPCDispatcher._write", _writing, ("message",)),
    Patch(
        "mcp.shared.jsonrpc_dispatcher",
        "JSONRPCDispatcher._resolve_pending",
        _resolving,
        ("request_id", "outcome"),
    ),
    Patch(
        "mcp.server._otel",
        "OpenTelemetryMiddleware.__call__",
        _answering,
        ("ctx", "call_next"),
    ),
)
