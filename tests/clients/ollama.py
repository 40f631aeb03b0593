"""ollama, as it calls a server on this machine; what is its own is in tests/conformance."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import ollama

from clients.redirect import transport
from clients.spec import Client, Recorded, Way
from llm_otel.testing import Provider
from tests.conformance.expected import ERROR_CLASSES, Facts
from tests.conformance.replay import Exchange

MODEL = "llama3.2"
CHAT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}
GENERATE: dict[str, Any] = {"model": MODEL, "prompt": "Tell me everything."}


HOST = "http://localhost:11434"


def _make(server: Provider, asynchronous: bool) -> Any:
    return _open_async(server) if asynchronous else _open(server)


@contextmanager
def _open(server: Provider) -> Any:
    # A client of either kind claims to be a context manager of both.
    with ollama.Client(host=HOST, transport=transport(httpx, server, False)) as client:
        yield client


@asynccontextmanager
async def _open_async(server: Provider) -> Any:
    async with ollama.AsyncClient(host=HOST, transport=transport(httpx, server, True)) as client:
        yield client


# ------------------------------------------------------------------ recordings
def _ask(client: Any, exchange: Exchange) -> Any:
    arguments = {"stream": False, **exchange["request"]}
    return getattr(client, exchange["path"].rpartition("/")[2])(**arguments)


def _stream(found: Any, exchange: Exchange) -> Any | None:
    return found if exchange["request"].get("stream") else None


def _facts(exchange: Exchange) -> Facts:
    if exchange["status"] >= 400:
        return Facts(error=ERROR_CLASSES[exchange["status"]])
    body = json.loads(exchange["response"].strip().splitlines()[-1])
    reason = body.get("done_reason")
    return Facts(
        model=body["model"],
        input_tokens=body.get("prompt_eval_count"),
        output_tokens=body.get("eval_count"),
        finish_reasons=[reason] if reason else [],
    )


CLIENT = Client(
    provider="ollama",
    make=_make,
    ways=(
        Way("chat", lambda client: client.chat(**CHAT), model=MODEL),
        Way(
            "chat stream",
            lambda client: client.chat(**CHAT, stream=True),
            streaming=True,
            lazy=True,
            model=MODEL,
        ),
        Way(
            "generate",
            lambda client: client.generate(**GENERATE),
            operation="text_completion",
            model=MODEL,
        ),
        Way(
            "generate stream",
            lambda client: client.generate(**GENERATE, stream=True),
            streaming=True,
            lazy=True,
            operation="text_completion",
            model=MODEL,
        ),
        Way(
            "embed",
            lambda client: client.embed(model="all-minilm", input=["Hello", "there"]),
            operation="embeddings",
            model="all-minilm",
        ),
    ),
    recorded=(Recorded("ollama", _ask, _facts, _stream),),
)
