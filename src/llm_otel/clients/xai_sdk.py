"""xai_sdk: chats, whole, streamed, parsed and deferred, compacted contexts, images; over gRPC."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, Shape, named
from llm_otel.protocols.spec import Request
from llm_otel.protocols.xai import XAI

_COMPLETION = "/xai_api.Chat/GetCompletion"
_DEFERRED = "/xai_api.Chat/StartDeferredCompletion"
_COMPACTION = "/xai_api.Chat/CompactContext"
_IMAGE = "/xai_api.Image/GenerateImage"

# `api.x.ai:443`; a channel may lead to a socket, or to several addresses.
_NO_HOST = "https://"
_HOST = re.compile(r"[\w.-]+(:\d+)?")

_TARGET = attrgetter("_channel.target")

# Interceptors that may stand between a stub and its channel.
_DEEPEST = 16


# ------------------------------------------------------------------ requests
def _completion(
    path: str, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], streaming: bool = False
) -> Request | None:
    proto = client.proto
    messages = proto.messages
    if not messages:
        return None  # the SDK sends nothing
    body = {
        "proto": proto,
        "model": proto.model,
        "messages": messages,
        "count": len(messages),
        "n": named(("n",), args, kwargs).get("n", 1),
    }
    return Request("post", path, body, streaming=streaming, base_url=_origin(client))


def _compaction(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    values = named(("model", "messages"), args, kwargs)
    messages = values["messages"]
    body = {"model": values["model"], "messages": messages, "count": len(messages)}
    return Request("post", _COMPACTION, body, base_url=_origin(client))


def _images(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    body = named(("prompt", "model", "n"), args, kwargs)
    return Request("post", _IMAGE, body, base_url=_origin(client))


# ------------------------------------------------------------------ the host
_origins: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _origin(client: Any) -> str:
    """Where a client's channel leads to, by private names of the SDK and of gRPC; no host without
    these: then the provider is known all the same."""
    stub = read.get(client, "_stub")
    try:
        return _origins[stub]
    except KeyError:
        origin = _origins[stub] = _target(stub)
        return origin
    except TypeError:  # there is no such attribute
        return _NO_HOST


def _target(stub: Any) -> str:
    try:
        method = next(iter(vars(stub).values()))
        for _ in range(_DEEPEST):
            if not hasattr(method, "_thunk"):
                break
            method = method._thunk(method._method)
        target = _TARGET(method)  # a method, or the bytes themselves
        host = (target() if callable(target) else target).decode().rpartition("/")[2]
    except Exception:  # noqa: BLE001 - another gRPC
        return _NO_HOST
    return f"https://{host}" if _HOST.fullmatch(host) else _NO_HOST


# ------------------------------------------------------------------ answers
def _proto(response: Any) -> Any:
    return response.proto


def _first(responses: Any) -> Any:
    """Of a batch's responses, which share one message."""
    return responses[0].proto


def _parsed(result: Any) -> Any:
    return result[0].proto


def _chunk(item: Any) -> Any:
    """The response that the SDK puts together comes with each chunk."""
    response = item[0]
    return response[0] if type(response) is list else response


def _hooks(
    function: str,
    shape: Shape,
    request: Callable[..., Request | None],
    answer: Callable[[Any], Any] = _proto,
    parameters: tuple[str, ...] = (),
    module: str = "chat",
) -> tuple[Hook, Hook]:
    """The hooks of both clients."""
    asynchronous: Shape = "async_generator" if shape == "generator" else "async"
    common: dict[str, Any] = {"answer": answer, "chunk": _chunk, "parameters": parameters}
    return (
        Hook(f"sync.{module}", function, shape, request, **common),
        Hook(f"aio.{module}", function, asynchronous, request, **common),
    )


_whole = partial(_completion, _COMPLETION)
_deferred = partial(_completion, _DEFERRED)
_compacted = partial(_completion, _COMPACTION)
_streamed = partial(_completion, f"{_COMPLETION}Chunk", streaming=True)

CLIENT = ClientSpec(
    package="xai_sdk",
    supported=">=1.15,<2",
    provider="x_ai",
    endpoints=XAI,
    hooks=(
        *_hooks("Chat.sample", "sync", _whole),
        *_hooks("Chat.sample_batch", "sync", _whole, _first, ("n",)),
        *_hooks("Chat.parse", "sync", _whole, _parsed, ("shape",)),
        *_hooks("Chat.stream", "generator", _streamed),
        *_hooks("Chat.stream_batch", "generator", _streamed, parameters=("n",)),
        *_hooks("Chat.defer", "sync", _deferred),
        *_hooks("Chat.defer_batch", "sync", _deferred, _first, ("n",)),
        *_hooks("Chat.compact", "sync", _compacted),
        *_hooks("Client.compact_context", "sync", _compaction, _proto, ("model", "messages")),
        *_hooks("Client.sample", "sync", _images, _proto, ("prompt", "model"), "image"),
        *_hooks("Client.sample_batch", "sync", _images, _first, ("prompt", "model", "n"), "image"),
    ),
)
