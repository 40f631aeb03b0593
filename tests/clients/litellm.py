"""litellm, as it calls Anthropic by its own HTTP client; the rest is in tests/conformance."""

from __future__ import annotations

import asyncio
import contextvars
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import cache, partial
from typing import Any

import httpx

from clients.redirect import transport
from clients.spec import ASYNC, SYNC, Client, Way, as_it_is
from llm_otel.testing import Provider, provider

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it is fetched from the internet
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler

litellm.suppress_debug_info = True

MODEL = "claude-sonnet-5"
QUESTION: dict[str, Any] = {
    "model": f"anthropic/{MODEL}",
    "messages": [{"role": "user", "content": "Tell me everything."}],
    "max_tokens": 500,
    "api_key": "sk-test",
    "num_retries": 0,
}


class Functions:
    """Its functions, with an HTTP client that reaches the local provider."""

    def __init__(self, handler: Any, asynchronous: bool) -> None:
        self._handler = handler
        self._asynchronous = asynchronous

    def ask(self, **more: Any) -> Any:
        """`completion`, or `acompletion`."""
        if self._asynchronous:
            return litellm.acompletion(**QUESTION, client=self._handler, **more)
        # It leaves the last stream in the context that it was asked in.
        ask = partial(litellm.completion, **QUESTION, client=self._handler, **more)
        return contextvars.copy_context().run(ask)

    def messages(self, **more: Any) -> Any:
        """Anthropic's own shape."""
        return litellm.anthropic.messages.acreate(**QUESTION, client=self._handler, **more)


@contextmanager
def _sync(server: Provider) -> Iterator[Any]:
    with httpx.Client(transport=transport(httpx, server, False)) as client:
        yield Functions(HTTPHandler(client=client), False)


@asynccontextmanager
async def _async(server: Provider) -> AsyncIterator[Any]:
    async with httpx.AsyncClient(transport=transport(httpx, server, True)) as client:
        handler = AsyncHTTPHandler()
        handler.client = client
        yield Functions(handler, True)


@cache
def _import_all() -> None:
    """Import what litellm imports when it is used, with many warnings."""

    async def use(server: Provider) -> None:
        async with _async(server) as client:
            await client.messages()
            await client.ask()
            async for _ in await client.ask(stream=True):
                pass

    with warnings.catch_warnings(), provider() as server, ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("ignore")
        with _sync(server) as client:
            client.ask()
            list(client.ask(stream=True))
        # There may be a loop in this thread.
        pool.submit(lambda: asyncio.run(use(server))).result()


def _make(server: Provider, asynchronous: bool) -> Any:
    _import_all()
    return _async(server) if asynchronous else _sync(server)


def _shown(answer: Any) -> Any:
    """An answer or a chunk without the id and the time that litellm makes."""
    fields = answer.model_dump()
    return type(answer), {key: fields[key] for key in fields if key not in ("id", "created")}


def _only_sync(stream: Any) -> Any:
    return (chunk for chunk in stream)


CLIENT = Client(
    provider="anthropic",
    make=_make,
    ways=(
        Way("chat", lambda client: client.ask(), model=MODEL, shown=_shown),
        # What it gives can be iterated over in both ways.
        *(
            Way(
                "chat stream",
                lambda client: client.ask(stream=True),
                streaming=True,
                model=MODEL,
                kinds=(kind,),
                stream=stream,
                shown=_shown,
            )
            for kind, stream in ((SYNC, _only_sync), (ASYNC, as_it_is))
        ),
        Way("messages", lambda client: client.messages(), model=MODEL, kinds=(ASYNC,)),
    ),
)
