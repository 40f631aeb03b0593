"""What the SDK's transports tell of a session: its id, and how its messages travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.mcp.package import MCP
from llm_otel.seams import patches
from llm_otel.seams.patches import Patch

_SESSION_HEADER = "mcp-session-id"
_VERSION_HEADER = "mcp-protocol-version"

_PIPE: Mapping[str, Any] = {semconv.NETWORK_TRANSPORT: "pipe"}
_HTTP: Mapping[str, Any] = {
    semconv.NETWORK_TRANSPORT: "tcp",
    semconv.NETWORK_PROTOCOL_NAME: "http",
}
_NOTHING: Mapping[str, Any] = {}

# The stream that a client writes to, by its identity while it is open → what is known of it.
_clients: dict[int, Callable[[], Mapping[str, Any]]] = {}
# The same of servers.
_servers: dict[int, Callable[[], Mapping[str, Any]]] = {}


def install() -> None:
    """Have transports known by the streams that they are written to. One that the SDK does not
    have in this version is left out: its attributes are missing."""
    patches.install(MCP, _PATCHES, on_unknown=lambda _: None)


def of_stream(stream: object) -> Mapping[str, Any]:
    """What is known of the transport that a client writes to by this stream."""
    details = _clients.get(id(stream))
    return _NOTHING if details is None else details()


def of_request(request: Any) -> Mapping[str, Any]:
    """What a server knows of a message by the HTTP request that it came in; None: in none."""
    headers = getattr(request, "headers", None)
    if headers is None:
        return _PIPE if _servers and request is None else _NOTHING
    attributes = dict(_HTTP)
    for header, name in (
        (_SESSION_HEADER, semconv.MCP_SESSION_ID),
        (_VERSION_HEADER, semconv.MCP_PROTOCOL_VERSION),
    ):
        value = headers.get(header)
        if isinstance(value, str):
            attributes[name] = value[: semconv.MAX_TEXT]
    return attributes


def version_in(headers: Any) -> Mapping[str, Any]:
    """The protocol's version in the headers that a client's session sends with a request."""
    value = headers.get(_VERSION_HEADER) if isinstance(headers, Mapping) else None
    return {semconv.MCP_PROTOCOL_VERSION: value} if isinstance(value, str) else _NOTHING


def _of_http(transport: Any) -> Mapping[str, Any]:
    attributes = dict(_HTTP)
    session, url = getattr(transport, "session_id", None), getattr(transport, "url", None)
    if isinstance(session, str):
        attributes[semconv.MCP_SESSION_ID] = session[: semconv.MAX_TEXT]
    if isinstance(url, str):
        parts = urlsplit(url)
        attributes[semconv.SERVER_ADDRESS] = parts.hostname or ""
        attributes[semconv.SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
    return attributes


def _posting(original: Any) -> Callable[..., Any]:
    async def post_writer(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        stream = kwargs.get("write_stream", args[3] if len(args) > 3 else None)
        _clients[id(stream)] = lambda: _of_http(self)
        try:
            return await original(self, *args, **kwargs)
        finally:
            _clients.pop(id(stream), None)

    return post_writer


class _Pipe:
    """The SDK's manager of a transport over pipes; what it gives is known while it is open."""

    def __init__(self, manager: Any, table: dict[int, Any]) -> None:
        self._manager = manager
        self._table = table
        self._key: int | None = None

    async def __aenter__(self) -> Any:
        streams = await self._manager.__aenter__()
        try:
            self._key = id(streams[1])
            self._table[self._key] = lambda: _PIPE
        except Exception as exc:  # noqa: BLE001
            guard.handle("mcp", exc)
        return streams

    async def __aexit__(self, *exc: Any) -> Any:
        if self._key is not None:
            self._table.pop(self._key, None)
        return await self._manager.__aexit__(*exc)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


def _piped(table: dict[int, Any]) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        def transport(*args: Any, **kwargs: Any) -> Any:
            return _Pipe(original(*args, **kwargs), table)

        return transport

    return make


_PATCHES = (
    Patch(
        "mcp.client.streamable_http",
        "StreamableHTTPTransport.post_writer",
        _posting,
        ("write_stream",),
    ),
    Patch("mcp.client.stdio", "stdio_client", _piped(_clients)),
    Patch("mcp.server.stdio", "stdio_server", _piped(_servers)),
)
