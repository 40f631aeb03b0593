"""What a third party writes for the toy: a protocol of its own, and a client with hooks."""

from __future__ import annotations

import json
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, adding_to, named
from llm_otel.protocols import usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.spec import Endpoint, LastChunk, Protocol, Request


class Toy(Protocol):
    """Bodies of the toy: a whole answer, or chunks of which the last tells what was used."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Any) -> Answer:
        """Everything that an answer or a last chunk tells."""
        stop = read.string(read.get(node, "stop"))
        return Answer(
            response_id=read.string(read.get(node, "id")),
            model=read.string(read.get(node, "model")),
            finish_reasons=[stop] if stop else [],
            usage=usage.usage(read.fields(node), endpoint),
        )

    def fold(self, endpoint: Endpoint, dialect: Any) -> Any:
        """The last chunk is the whole answer, and says so."""
        return _Fold(self, endpoint, dialect)


class _Fold(LastChunk):
    @property
    def ended(self) -> bool:
        """Whether there was a last chunk."""
        return bool(read.get(self._last, "stop"))


CHAT = Endpoint(
    "chat",
    Toy(),
    usage={"in": "input_tokens", "out": "output_tokens"},
    usage_at=(("tokens",),),
    in_tokens=True,
)


def _request(
    streaming: bool | None, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request | None:
    given = named(("path", "body", "stream"), args, kwargs)
    return request_of(client, given, streaming)


def request_of(client: Any, given: dict[str, Any], streaming: bool | None) -> Request:
    """The request in a function's arguments."""
    body = given["body"]
    if streaming is None:
        streaming = bool(given.get("stream") or read.get(body, "stream"))
    return Request("post", given["path"], body, streaming=streaming, base_url=client.base_url)


def node_of(value: Any) -> Any:
    """What the protocol reads in an answer or a chunk."""
    if not isinstance(value, str):
        return value
    data = value.removeprefix("data: ")
    return json.loads(data) if data.startswith("{") else None


def _node(value: Any) -> Any:
    return node_of(value)


def _whole(client: Any, args: Any, kwargs: Any) -> Request | None:
    request = _request(None, client, args, kwargs)
    return None if request is None or request.streaming else request


def _stream(client: Any, args: Any, kwargs: Any) -> Request | None:
    return _request(True, client, args, kwargs)


def _streamed(client: Any, args: Any, kwargs: Any) -> Request | None:
    request = _request(None, client, args, kwargs)
    return request if request is not None and request.streaming else None


def _any(client: Any, args: Any, kwargs: Any) -> Request | None:
    return _request(None, client, args, kwargs)


ASK = adding_to(1, "body")
COMMON: dict[str, Any] = {"parameters": ("path", "body"), "answer": _node, "chunk": _node}


def _hook(function: str, shape: Any, request: Any, **more: Any) -> tuple[Hook, Hook]:
    """The hooks of both clients."""
    asynchronous = {"sync": "async"}.get(shape, f"async_{shape}")
    return (
        Hook("client", f"Client.{function}", shape, request, **COMMON, **more),
        Hook("client", f"AsyncClient.{function}", asynchronous, request, **COMMON, **more),
    )


CLIENT = ClientSpec(
    package="toysdk",
    supported=">=1,<2",
    provider="toy",
    endpoints={"post /models/{model}:say": CHAT, "post /model/{id}/invoke": CHAT, **OPENAI},
    hooks=(
        *_hook("ask", "sync", _whole),
        *_hook("chunks", "sync", _stream, ask=ASK),
        *_hook("reader", "sync", _stream, ask=ASK, stream_at=("stream",)),
        *_hook("texts", "sync", _stream, ask=ASK),
        Hook("client", "Client.mapped", "sync", _stream, **COMMON, ask=ASK),
        *_hook("lines", "generator", _stream),
        *_hook("either", "sync", _whole),
        *_hook("either", "generator", _streamed),
        *_hook("opened", "context", _stream),
        *_hook("post", "response", _any, ask=ASK),
    ),
)
