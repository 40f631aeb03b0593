"""What is measured: one call of each kind, as a program would write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import transport

# What goes out with every call: the size of a usual system prompt and question.
_MESSAGES = [
    {"role": "system", "content": "You are a helpful, brief assistant for operators. " * 8},
    {"role": "user", "content": "What should I look at first when latency rises?"},
]
_CHAT = {
    "model": "gpt-4o",
    "messages": _MESSAGES,
    "temperature": 0.2,
    "max_tokens": 512,
    "top_p": 1.0,
}

# Name → is it a coroutine function, and how many calls one round of the benchmark makes.
WORKLOADS = {
    "chat": (False, 200),
    "async chat": (True, 200),
    "embeddings": (False, 200),
    "responses": (False, 200),
    "raw chat": (False, 200),
    "stream": (False, 40),
}
# A call without instrumentation of ours is too quick for few of them to tell.
PER_CHUNK = "stream"


def calls() -> dict[str, Callable[[], Any]]:
    """One callable without arguments per workload, on clients made now."""
    client = openai.OpenAI(api_key="sk-none", http_client=transport.client())
    async_client = openai.AsyncOpenAI(api_key="sk-none", http_client=transport.async_client())

    def stream() -> None:
        options = {"include_usage": True}
        for _ in client.chat.completions.create(**_CHAT, stream=True, stream_options=options):
            pass

    return {
        "chat": lambda: client.chat.completions.create(**_CHAT),
        "async chat": lambda: async_client.chat.completions.create(**_CHAT),
        "embeddings": lambda: client.embeddings.create(
            model="text-embedding-3-small",
            input="What should I look at first when latency rises?",
            encoding_format="float",
        ),
        "responses": lambda: client.responses.create(
            model="gpt-4o", input=_MESSAGES, temperature=0.2, max_output_tokens=512
        ),
        "raw chat": lambda: client.chat.completions.with_raw_response.create(**_CHAT).parse(),
        "stream": stream,
    }


def abandon() -> None:
    """A stream of which three chunks are read, then dropped."""
    client = openai.OpenAI(api_key="sk-none", http_client=transport.client())
    chunks = iter(client.chat.completions.create(**_CHAT, stream=True))
    for _ in range(3):
        next(chunks)
