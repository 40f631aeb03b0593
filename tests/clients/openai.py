"""openai, as it calls OpenAI; what is its own is in tests/hostile and tests/conformance."""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from clients.redirect import http_client
from clients.spec import Client, Way
from llm_otel.testing import Provider

MODEL = "gpt-4o"
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}


def _make(server: Provider, asynchronous: bool) -> Any:
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return kind(
        api_key="sk-test",
        max_retries=0,
        http_client=http_client(httpx2, server, asynchronous),
    )


def _embed(client: Any) -> Any:
    return client.embeddings.create(model="text-embedding-3-small", input="Hello")


CLIENT = Client(
    provider="openai",
    make=_make,
    ways=(
        Way("chat", lambda client: client.chat.completions.create(**QUESTION), model=MODEL),
        Way(
            "chat stream",
            lambda client: client.chat.completions.create(
                **QUESTION, stream=True, stream_options={"include_usage": True}
            ),
            streaming=True,
            model=MODEL,
        ),
        Way("embeddings", _embed, operation="embeddings", model="text-embedding-3-small"),
    ),
)
