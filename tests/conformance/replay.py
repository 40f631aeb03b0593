"""Send recorded requests again through the real SDKs, to a server with the recorded answers."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any
from urllib.parse import parse_qs

import llm_otel
from llm_otel.testing import Provider, Reply
from tests.conformance.expected import is_stream

Exchange = dict[str, Any]

# End of the path -> the public method that sends it.
METHODS = {
    "/chat/completions": "chat.completions.create",
    "/completions": "completions.create",
    "/responses": "responses.create",
    "/responses/compact": "responses.compact",
    "/embeddings": "embeddings.create",
    "/images/generations": "images.generate",
    "/moderations": "moderations.create",
    "/v1/messages": "messages.create",
}
# Name of an SDK: its client's, and what its base URL has below the host; None: what is before the
# end of the path.
CLIENTS = {
    "openai": ("OpenAI", None),
    "groq": ("Groq", ""),
    "together": ("Together", "/v1"),
    "anthropic": ("Anthropic", ""),
}


def method_of(exchange: Exchange) -> str:
    """The SDK's method for a request."""
    method = next(m for end, m in METHODS.items() if exchange["path"].endswith(end))
    return f"beta.{method}" if exchange["query"] == "beta=true" else method


def play(p: Provider, exchanges: Iterable[Exchange], sdk: str, way: str) -> None:
    """Play exchanges one after the other, each under its own `session.id`.

    Args:
        p: Answers what is recorded.
        exchanges: Recordings, or bodies of the same form.
        sdk: One of `CLIENTS`.
        way: `plain`, `async`, `raw` or `streaming`, which is the way to read the answers.
    """
    if way == "async":
        asyncio.run(_play_async(p, exchanges, sdk))
        return
    clients: dict[tuple[str, str], Any] = {}
    for exchange in exchanges:
        key = (exchange["host"], exchange["query"])
        client = clients.get(key) or clients.setdefault(key, _client(p, exchange, sdk, "Client"))
        _answer_with(p, exchange)
        with failing(exchange), llm_otel.attribution(session_id=exchange["id"]):
            _play_one(client, exchange, way)
    for client in clients.values():
        client.close()


def failing(exchange: Exchange) -> AbstractContextManager[None]:
    """The SDK may raise for a recorded error, and for a body that it cannot parse."""
    fails = exchange["status"] >= 400 or exchange.get("raises") or not exchange["response"]
    return suppress(Exception) if fails else nullcontext()


def _play_one(client: Any, exchange: Exchange, way: str) -> None:
    resource, _, create = method_of(exchange).rpartition(".")
    holder = _reach(client, resource)
    arguments = _arguments(getattr(holder, create), exchange["request"])
    if way == "raw":
        answer = getattr(holder.with_raw_response, create)(**arguments).parse()
    elif way == "streaming":
        with getattr(holder.with_streaming_response, create)(**arguments) as response:
            response.read()
        return
    else:
        answer = getattr(holder, create)(**arguments)
    if exchange["request"].get("stream"):
        for _ in answer:
            pass


async def _play_async(p: Provider, exchanges: Iterable[Exchange], sdk: str) -> None:
    clients: dict[tuple[str, str], Any] = {}
    for exchange in exchanges:
        key = (exchange["host"], exchange["query"])
        client = clients.get(key)
        if client is None:
            client = clients[key] = _client(p, exchange, sdk, "AsyncClient")
        _answer_with(p, exchange)
        create = _reach(client, method_of(exchange))
        with failing(exchange), llm_otel.attribution(session_id=exchange["id"]):
            answer = await create(**_arguments(create, exchange["request"]))
            if exchange["request"].get("stream"):
                async for _ in answer:
                    pass
    for client in clients.values():
        await client.close()


def _reach(node: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        node = getattr(node, name)
    return node


def _arguments(create: Any, body: dict[str, Any]) -> dict[str, Any]:
    """A body as keywords; what the method does not know goes into `extra_body`."""
    known = inspect.signature(create).parameters
    arguments = {key: value for key, value in body.items() if key in known}
    extra = {key: value for key, value in body.items() if key not in known}
    return {**arguments, "extra_body": extra} if extra else arguments


def _answer_with(p: Provider, exchange: Exchange) -> None:
    text = exchange["response"]
    kind = exchange["content_type"]
    if not kind:
        streamed = is_stream(text) or (not text and exchange["request"].get("stream"))
        kind = "text/event-stream" if streamed else "application/json"
    p.enqueue(Reply(exchange["status"], {"content-type": kind}, text.encode()))


# ---- clients that believe to speak to the recorded host
def _client(p: Provider, exchange: Exchange, sdk: str, kind: str) -> Any:
    module = importlib.import_module(sdk)
    host, query = exchange["host"], parse_qs(exchange["query"])
    common = {"api_key": "test", "max_retries": 0,
              "http_client": http_client(sdk, kind, p.origin)}  # fmt: skip
    prefix = "Async" if kind == "AsyncClient" else ""
    if "api-version" in query:
        return getattr(module, f"{prefix}AzureOpenAI")(
            azure_endpoint=f"https://{host}", api_version=query["api-version"][0], **common
        )
    name, root = CLIENTS[sdk]
    if root is None:
        root = exchange["path"].partition(method_root(exchange["path"]))[0]
    return getattr(module, prefix + name)(base_url=f"https://{host}{root}", **common)


def method_root(path: str) -> str:
    """The end of a path that the SDK's method adds to the base URL."""
    return next(end for end in METHODS if path.endswith(end))


def http_client(sdk: str, kind: str, origin: str) -> Any:
    """An HTTP client of the SDK's own library that sends everything to `origin`."""
    base = importlib.import_module(f"{sdk}._base_client")
    library = getattr(base, "httpx2", None) or base.httpx
    target = library.URL(origin)
    asynchronous = kind == "AsyncClient"
    transport = library.AsyncHTTPTransport if asynchronous else library.HTTPTransport

    class Redirected(transport):
        def handle_request(self, request: Any) -> Any:
            request.url = _moved(request.url, target)
            return super().handle_request(request)

        async def handle_async_request(self, request: Any) -> Any:
            request.url = _moved(request.url, target)
            return await super().handle_async_request(request)

    return getattr(library, kind)(transport=Redirected())


def _moved(url: Any, target: Any) -> Any:
    return url.copy_with(scheme=target.scheme, host=target.host, port=target.port)


def load(path: Any) -> list[Exchange]:
    """The exchanges of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]
