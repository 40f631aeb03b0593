"""HTTP clients of httpx and httpx2 that send everything to the local provider."""

from __future__ import annotations

from typing import Any

from llm_otel.testing import Provider


def http_client(library: Any, server: Provider, asynchronous: bool, **arguments: Any) -> Any:
    """A client whose requests keep the host that they believe to go to, and reach the provider.

    Args:
        library: `httpx` or `httpx2`.
        server: The local provider.
        asynchronous: Which kind of client.
        arguments: Further ones for it.
    """
    kind = "AsyncClient" if asynchronous else "Client"
    made = getattr(library, kind)
    return made(transport=transport(library, server, asynchronous), **arguments)


def transport(library: Any, server: Provider, asynchronous: bool) -> Any:
    """The transport of such a client."""
    target = library.URL(server.origin)
    base = library.AsyncHTTPTransport if asynchronous else library.HTTPTransport

    class Redirected(base):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(_moved(library, request, target))

        async def handle_async_request(self, request: Any) -> Any:
            return await super().handle_async_request(_moved(library, request, target))

    return Redirected(verify=False)


def _moved(library: Any, request: Any, target: Any) -> Any:
    url = request.url.copy_with(scheme=target.scheme, host=target.host, port=target.port)
    return library.Request(
        request.method,
        url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )
