"""voyageai, as it calls Voyage AI; what is its own is in tests/conformance/test_voyage.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
import voyageai
from voyageai.api_resources import api_requestor

from clients.spec import Client, Way
from llm_otel.testing import Provider

MODEL = "voyage-4"


# The library takes its HTTP session from a global, and from a context variable.
class _Redirected(requests.adapters.HTTPAdapter):
    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Sends a request to the local provider, and keeps the host that it believed to go to."""
        request.url = _moved(request.url, self._origin)
        return super().send(request, *args, **kwargs)


class _Session:
    """A session of aiohttp that does the same."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self._session = session
        self._origin = origin

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        return self._session.request(method, _moved(url, self._origin), **kwargs)


def _moved(url: str, origin: str) -> str:
    return origin + urlsplit(url).path


@contextmanager
def _sync(server: Provider) -> Iterator[Any]:
    with requests.Session() as session:
        session.mount("https://", _Redirected(server.origin))
        api_requestor._thread_context.__dict__.clear()
        voyageai.requestssession = session
        yield voyageai.Client(api_key="test")
        voyageai.requestssession = None
        api_requestor._thread_context.__dict__.clear()


@asynccontextmanager
async def _async(server: Provider) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        token = voyageai.aiosession.set(_Session(session, server.origin))  # type: ignore[arg-type]
        yield voyageai.AsyncClient(api_key="test")
        voyageai.aiosession.reset(token)


def make(server: Provider, asynchronous: bool) -> Any:
    """A client, sync or async."""
    return _async(server) if asynchronous else _sync(server)


CLIENT = Client(
    provider="voyageai",
    make=make,
    ways=(
        Way(
            "embeddings",
            lambda client: client.embed(["Hello", "you"], model=MODEL),
            operation="embeddings",
            model=MODEL,
        ),
        Way(
            "chunks",
            lambda client: client.contextualized_embed(
                [["Hello", "you"]], model="voyage-context-4"
            ),
            operation="embeddings",
            model="voyage-context-4",
        ),
        Way(
            "multimodal",
            lambda client: client.multimodal_embed([["Hello"]], model="voyage-multimodal-3.5"),
            operation="embeddings",
            model="voyage-multimodal-3.5",
        ),
        Way(
            "rerank",
            lambda client: client.rerank("Hello", ["you", "me"], model="rerank-2.5"),
            operation="rerank",
            model="rerank-2.5",
        ),
    ),
)
