"""SDK 1, which makes no spans: ours on both sides, and what `_meta` has to carry between them.

The one module that uses what this SDK keeps private: where its server works on a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import propagate, trace
from opentelemetry.context import get_current

from llm_otel import semconv
from llm_otel.attribution import with_incoming
from llm_otel.base import guard
from llm_otel.core import runtime
from llm_otel.core.runtime import Runtime
from llm_otel.mcp import transports
from llm_otel.mcp.exchange import CLIENT, SERVER_V1, Exchange, current
from llm_otel.mcp.package import MCP
from llm_otel.seams import imports, patches
from llm_otel.seams.patches import Patch

# The protocol's version that a client's session has agreed on.
_versions: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def install() -> None:
    """Hook the SDK's modules, each when it is imported; `mcp.shared.session` is SDK 1's alone."""
    imports.watch_from_now("mcp.shared.session", _install)


def _install() -> None:
    patches.install(MCP, _PATCHES)


# ------------------------------------------------------------------ the client
def _sending(original: Any) -> Callable[..., Any]:
    async def send_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _sent(self, request)
        if exchange is None:
            return await original(self, request, *args, **kwargs)
        with exchange:
            result = await original(self, _carrying(request), *args, **kwargs)
            exchange.returned(result)
            _agreed(self, result)
        return result

    return send_request


def _sent(session: Any, request: Any) -> Exchange | None:
    try:
        active = runtime.live()
        if active is None:
            return None
        inner = getattr(request, "root", request)
        params = getattr(inner, "params", None)
        stream = getattr(session, "_write_stream", None)

        request_id = _id(getattr(session, "_request_id", None))  # the one it will be sent with

        def details() -> Mapping[str, Any]:
            version = _version(_versions.get(session))
            return {**request_id, **version, **transports.of_stream(stream)}

        fields = _fields(params)
        return Exchange(active, CLIENT, inner.method, fields, details, get_current(), own_span=True)
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)
        return None


def _id(request_id: object) -> dict[str, str]:
    return {} if request_id is None else {semconv.JSONRPC_REQUEST_ID: str(request_id)}


def _version(version: object) -> dict[str, str]:
    return {} if version is None else {semconv.MCP_PROTOCOL_VERSION: str(version)}


def _fields(params: Any) -> dict[str, Any]:
    """What is read of a request's parameters."""
    fields = {name: getattr(params, name, None) for name in ("name", "arguments")}
    uri = getattr(params, "uri", None)
    return fields if uri is None else {**fields, "uri": str(uri)}


@cache
def _carrier() -> Any:
    """The class of a request that is sent with what propagators say; made when one is sent, as
    wrapt takes longer to import than all of ours."""
    import wrapt

    class Carrier(wrapt.ObjectProxy):  # type: ignore[type-arg]
        """The caller's request; only what is data of it has the fields more."""

        def model_dump(self, *args: Any, **kwargs: Any) -> Any:
            data = self.__wrapped__.model_dump(*args, **kwargs)
            try:
                fields: dict[str, str] = {}
                propagate.inject(fields)
                if fields and isinstance(data, dict):
                    parameters = data.get("params") or {}
                    meta = {**(parameters.get("_meta") or {}), **fields}
                    return {**data, "params": {**parameters, "_meta": meta}}
            except Exception as exc:  # noqa: BLE001
                guard.handle("mcp", exc)
            return data

    return Carrier


def _carrying(request: Any) -> Any:
    try:
        return _carrier()(request)
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)
        return request


def _agreed(session: Any, result: Any) -> None:
    """Keep the version that the answer to `initialize` names."""
    version = getattr(result, "protocolVersion", None)
    if isinstance(version, str):
        _versions[session] = version


# ------------------------------------------------------------------ the server
def _answering(original: Any) -> Callable[..., Any]:
    async def _handle_request(
        self: Any, message: Any, req: Any, session: Any, *args: Any, **kwargs: Any
    ) -> Any:
        exchange = _received(message, req, session)
        if exchange is None:
            return await original(self, message, req, session, *args, **kwargs)
        with exchange:
            return await original(self, message, req, session, *args, **kwargs)

    return _handle_request


def _received(message: Any, request: Any, session: Any) -> Exchange | None:
    try:
        active = runtime.live()
        return None if active is None else _exchange(active, message, request, session)
    except Exception as exc:  # noqa: BLE001
        guard.handle("mcp", exc)
        return None


def _exchange(active: Runtime, message: Any, request: Any, session: Any) -> Exchange:
    extra = getattr(getattr(message, "request_meta", None), "model_extra", None) or {}
    incoming = propagate.extract({k: v for k, v in extra.items() if isinstance(v, str)})
    # The task that works on requests began in the first one's context: its span is another's.
    parent = trace.get_current_span(incoming)
    context = trace.set_span_in_context(parent, get_current())
    metadata = getattr(message, "message_metadata", None)
    http = getattr(metadata, "request_context", None)
    version = getattr(getattr(session, "client_params", None), "protocolVersion", None)
    constant = {**_id(getattr(message, "request_id", None)), **_version(version)}

    def details() -> Mapping[str, Any]:
        return {**constant, **transports.of_request(http)}

    fields = _fields(getattr(request, "params", None))
    context = with_incoming(context, incoming)
    return Exchange(
        active,
        SERVER_V1,
        request.method,
        fields,
        details,
        context,
        own_span=True,
        owner=message,
    )


def _responding(original: Any) -> Callable[..., Any]:
    async def respond(self: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current()
        if exchange is not None and exchange.owner is self:
            exchange.returned(response)
        return await original(self, response, *args, **kwargs)

    return respond


_PATCHES = (
    Patch("mcp.shared.session", "BaseSession.send_request", _sending, ("request", "result_type")),
    Patch("mcp.shared.session", "RequestResponder.respond", _responding, ("response",)),
    Patch(
        "mcp.server.lowlevel.server",
        "Server._handle_request",
        _answering,
        ("message", "req", "session"),
    ),
)
