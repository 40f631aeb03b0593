"""An SDK of nobody's: what the hooks of functions cost by themselves, for each of their shapes.

Its functions do next to nothing, so that small differences are seen.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from clients import _httpx, _openai
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client
from llm_otel import seams
from llm_otel.clients import Known
from llm_otel.clients.spec import ClientSpec, Hook, named
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.spec import Request

_MODEL = "gpt-4o"
_REQUEST = _openai.request(_MODEL)
_URL = "https://api.openai.com"
_WHOLE = json.loads(_openai.whole(_MODEL).pieces[0])
_CHUNKS = [json.loads(piece[6:]) for piece in _openai.stream(_MODEL).pieces[:CHUNKS]]


class Chunks:
    """An iterator of a class of its own."""

    def __init__(self) -> None:
        self._chunks = iter(_CHUNKS)

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> Any:
        return next(self._chunks)


class Toy:
    """The client."""

    def __init__(self) -> None:
        self.http = _httpx.client(httpx2, _openai.answer(_MODEL))
        self.base_url = httpx2.URL(_URL)

    def sync(self, path: str, body: Any) -> Any:
        return _WHOLE

    async def asynchronous(self, path: str, body: Any) -> Any:
        return _WHOLE

    def generator(self, path: str, body: Any) -> Iterator[Any]:
        yield from _CHUNKS

    async def async_generator(self, path: str, body: Any) -> AsyncIterator[Any]:
        for chunk in _CHUNKS:
            yield chunk

    def chunks(self, path: str, body: Any) -> Any:
        return Chunks()

    def response(self, path: str, body: Any) -> Any:
        request = self.http.build_request("POST", _URL + path, json=body)
        return self.http.send(request, stream=body.get("stream", False))

    @contextmanager
    def context(self, path: str, body: Any) -> Iterator[Any]:
        with self.http.stream("POST", _URL + path, json=body) as response:
            yield response


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    given = named(("path", "body"), args, kwargs)
    body = given["body"]
    return Request(
        "post", given["path"], body, streaming="stream" in body, base_url=client.base_url
    )


_SPEC = ClientSpec(
    package=__name__,
    supported=">=0",
    provider="openai",
    endpoints=OPENAI,
    hooks=tuple(
        Hook("", f"Toy.{function}", shape, _request)
        for function, shape in (
            ("sync", "sync"),
            ("asynchronous", "async"),
            ("generator", "generator"),
            ("async_generator", "async_generator"),
            ("chunks", "sync"),
            ("response", "response"),
            ("context", "context"),
        )
    ),
)


def _prepare() -> None:
    seams.install(Known(__name__, lambda: _SPEC))


def _calls() -> Mapping[str, Call]:
    toy, path = Toy(), "/v1/chat/completions"
    streamed = {**_REQUEST, "stream": True}

    async def drained() -> None:
        async for _ in toy.async_generator(path, streamed):
            pass

    def context() -> None:
        with toy.context(path, streamed) as response:
            for _ in response.iter_lines():
                pass

    return {
        WHOLE: Call(lambda: toy.sync(path, _REQUEST)),
        STREAM: Call(lambda: [*toy.generator(path, streamed)]),
        "async": Call(lambda: toy.asynchronous(path, _REQUEST), True),
        "async stream": Call(drained, True),
        "object stream": Call(lambda: [*toy.chunks(path, streamed)]),
        "response": Call(lambda: toy.response(path, _REQUEST).read()),
        "response stream": Call(lambda: [*toy.response(path, streamed).iter_lines()]),
        "context stream": Call(context),
    }


CLIENT = Client((__name__.partition(".")[0],), _calls, _prepare)
