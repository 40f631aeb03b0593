"""ollama: chat, generate and embeddings, sync and async, on a server of one's own or ollama.com."""

from __future__ import annotations

from functools import partial
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, Shape
from llm_otel.protocols.ollama import OLLAMA
from llm_otel.protocols.spec import Request


def _request(
    streaming: bool, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request | None:
    """The request of `_request(cls, method, path, json=..., stream=...)`."""
    body = kwargs.get("json")
    if len(args) < 3 or type(body) is not dict or bool(kwargs.get("stream")) is not streaming:
        return None
    method, path = args[1], args[2]
    if type(path) is not str:
        return None
    http = read.get(client, "_client")
    base = getattr(http, "base_url", None)
    return Request(method.lower(), path, body, streaming=streaming, base_url=base)


def _hook(function: str, shape: Shape, *, streaming: bool) -> Hook:
    return Hook(
        "_client", function, shape, partial(_request, streaming), parameters=("cls", "stream")
    )


CLIENT = ClientSpec(
    package="ollama",
    supported=">=0.4.4,<1",
    provider="ollama",
    endpoints=OLLAMA,
    hooks=(
        _hook("Client._request", "sync", streaming=False),
        # It gives a generator, which sends the request at its first step.
        _hook("Client._request", "generator", streaming=True),
        _hook("AsyncClient._request", "async", streaming=False),
        _hook("AsyncClient._request", "async_generator", streaming=True),
    ),
)
