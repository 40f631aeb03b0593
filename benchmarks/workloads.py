"""What is measured: one call of each kind, as a program would write it."""

from __future__ import annotations

from typing import Any

import clients
import openai
import transport
from clients.spec import Call

try:  # the peers' environments lack it
    import anthropic
except ImportError:
    anthropic = None  # type: ignore[assignment]

PACKAGES = ("openai", "anthropic")
# What our own environment alone can run: no peer instruments both clients.
OURS_ALONE = frozenset({"messages", "message stream"})

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


def calls() -> dict[str, Call]:
    """The workloads by name, on clients made now."""
    client = openai.OpenAI(api_key="sk-none", http_client=transport.client())
    async_client = openai.AsyncOpenAI(api_key="sk-none", http_client=transport.async_client())
    chat = client.chat.completions

    def stream() -> None:
        # asked for by the caller, so that everybody gets to see the usage
        options = {"include_usage": True}
        for _ in chat.create(**_CHAT, stream=True, stream_options=options):
            pass

    def embed() -> Any:
        return client.embeddings.create(
            model="text-embedding-3-small",
            input="What should I look at first when latency rises?",
            encoding_format="float",
        )

    def respond() -> Any:
        return client.responses.create(
            model="gpt-4o", input=_MESSAGES, temperature=0.2, max_output_tokens=512
        )

    found = {
        "chat": Call(lambda: chat.create(**_CHAT)),
        "async chat": Call(lambda: async_client.chat.completions.create(**_CHAT), True),
        "embeddings": Call(embed),
        "responses": Call(respond),
        "raw chat": Call(lambda: chat.with_raw_response.create(**_CHAT).parse()),
        "stream": Call(stream),
    }
    return {**found, **_messages()} if anthropic is not None else found


def _messages() -> dict[str, Call]:
    """Anthropic's, without the spans that its SDK makes itself."""
    client = anthropic.Anthropic(
        api_key="sk-none", http_client=transport.client(), open_telemetry=False
    )
    system, question = _MESSAGES
    ask = {
        "model": "claude-sonnet-5",
        "max_tokens": 512,
        "system": system["content"],
        "messages": [question],
    }

    def stream() -> None:
        for _ in client.messages.create(**ask, stream=True):
            pass

    return {"messages": Call(lambda: client.messages.create(**ask)), "message stream": Call(stream)}


def load(name: str) -> Call:
    """A workload by its name, or a client's call by both names, `groq stream`."""
    client, _, kind = name.partition(" ")
    if client in clients.names() and kind:
        return clients.load(client).calls()[kind]
    return calls()[name]


def prepare(name: str) -> None:
    """What a workload needs once it is instrumented."""
    client, _, kind = name.partition(" ")
    if client in clients.names() and kind:
        clients.load(client).prepare()


def abandon(client: openai.OpenAI) -> None:
    """A stream of which three chunks are read, then dropped."""
    chunks = iter(client.chat.completions.create(**_CHAT, stream=True))
    for _ in range(3):
        next(chunks)
