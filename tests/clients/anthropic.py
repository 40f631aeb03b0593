"""anthropic, as it calls Anthropic; what is its own is in tests/hostile and tests/conformance."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2

from clients.redirect import http_client
from clients.spec import Client, Way
from llm_otel.testing import Provider

MODEL = "claude-sonnet-5"
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}


def _make(server: Provider, asynchronous: bool) -> Any:
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    return kind(
        api_key="sk-test",
        max_retries=0,
        http_client=http_client(httpx2, server, asynchronous),
    )


CLIENT = Client(
    provider="anthropic",
    make=_make,
    ways=(
        Way("messages", lambda client: client.messages.create(**QUESTION), model=MODEL),
        Way(
            "message stream",
            lambda client: client.messages.create(**QUESTION, stream=True),
            streaming=True,
            model=MODEL,
        ),
    ),
)
