"""The client libraries that the hostile tests run on, in one table, and what programs do with them.

A program is written once: `ask`, `start`, `raw`, `streaming` and `helper` find out whose client it
has.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from hostile import anthropic_bodies, bodies
from hostile.bodies import Wire

QUESTION: list[Any] = [{"role": "user", "content": "Tell me everything."}]


@dataclass(frozen=True)
class Sdk:
    """A client library.

    Attributes:
        module: The library.
        clients: Its client classes, synchronous and asynchronous.
        root: What its base URL has after the server's origin.
        path: Of a question, below the base URL.
        resource: Way from a client to what answers a question.
        question: Keywords of a question.
        answer, chunk: Types of a whole answer and of a stream's events.
        wire: Good bodies.
        final, snapshot: What a stream helper calls the whole answer, at the end and so far.
        proven: A host that gives a stream's usage to who asks for it; None where nobody asks.
        refused: Keywords by which a program says that it does not want a stream's usage.
        renamed: What a keyword of openai's is called.
    """

    module: Any
    clients: tuple[type[Any], type[Any]]
    root: str
    path: str
    resource: str
    question: dict[str, Any]
    answer: type[Any]
    chunk: type[Any]
    wire: Wire
    final: str
    snapshot: str
    proven: str | None = None
    refused: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.module.__name__)

    def messages(self, client: Any) -> Any:
        """The resource of a client that answers a question."""
        return operator.attrgetter(self.resource)(client)


OPENAI = Sdk(
    module=openai,
    clients=(openai.OpenAI, openai.AsyncOpenAI),
    root="/v1",
    path="/chat/completions",
    resource="chat.completions",
    question={"model": "gpt-4o", "messages": QUESTION},
    answer=openai.types.chat.ChatCompletion,
    chunk=openai.types.chat.ChatCompletionChunk,
    wire=bodies.OPENAI,
    final="get_final_completion",
    snapshot="current_completion_snapshot",
    proven="https://api.openai.com/v1",
    refused={"stream_options": {"include_usage": False}},
)
ANTHROPIC = Sdk(
    module=anthropic,
    clients=(anthropic.Anthropic, anthropic.AsyncAnthropic),
    root="",
    path="/v1/messages",
    resource="messages",
    question={"model": "claude-sonnet-5", "max_tokens": 500, "messages": QUESTION},
    answer=anthropic.types.Message,
    chunk=anthropic.types.RawContentBlockDeltaEvent,
    wire=anthropic_bodies.ANTHROPIC,
    final="get_final_message",
    snapshot="current_message_snapshot",
    renamed={"stop": "stop_sequences"},
)
SDKS = (OPENAI, ANTHROPIC)


@functools.cache
def _of(kind: type[Any]) -> Sdk:
    return next(sdk for sdk in SDKS if issubclass(kind, sdk.clients))


def sdk_of(client: Any) -> Sdk:
    """The library whose client this is."""
    return _of(type(client))


def is_async(client: Any) -> bool:
    """Whether a client is an asynchronous one."""
    return isinstance(client, sdk_of(client).clients[1])


def ask(client: Any, **more: Any) -> Any:
    """What the client's method for a question returns."""
    sdk = sdk_of(client)
    return sdk.messages(client).create(**{**sdk.question, **more})


def raw(client: Any, **more: Any) -> Any:
    """The same with the raw response."""
    sdk = sdk_of(client)
    return sdk.messages(client).with_raw_response.create(**{**sdk.question, **more})


def streaming(client: Any, **more: Any) -> Any:
    """The same with a raw response whose body the program reads."""
    sdk = sdk_of(client)
    return sdk.messages(client).with_streaming_response.create(**{**sdk.question, **more})


def helper(client: Any) -> Any:
    """The same with the helper for streams."""
    sdk = sdk_of(client)
    return sdk.messages(client).stream(**sdk.question)
