"""The calls that the matrix makes: what is called, how, and what must be seen of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

MESSAGES = [{"role": "user", "content": "Hello there"}]
PNG = ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")
WAV = ("a.wav", b"RIFF" + bytes(32_000), "audio/wav")

WHOLE = ("plain", "raw", "streaming", "options")
STREAMED = ("stream", "raw stream", "streaming stream")
HOWS = (*WHOLE, *STREAMED)


@dataclass(frozen=True)
class Call:
    """One method of an SDK.

    Attributes:
        name: For the test's id.
        methods: Dotted names; the first that this version of the SDK has is called.
        arguments: Keywords.
        operation: Expected `gen_ai.operation.name`.
        hows: In which ways it can be made: those of `HOWS`, or `helper`.
    """

    name: str
    methods: tuple[str, ...]
    arguments: dict[str, Any]
    operation: str
    hows: tuple[str, ...] = WHOLE

    @property
    def model(self) -> str | None:
        """The model that is asked for."""
        found: str | None = self.arguments.get("model")
        return found


_CHAT = {"model": "gpt-4o", "messages": MESSAGES}
_RESPONSE = {"model": "gpt-5", "input": "Hello there"}

OPENAI = (
    Call("chat", ("chat.completions.create",), _CHAT, "chat", HOWS),
    Call(
        "chat parse",
        ("chat.completions.parse", "beta.chat.completions.parse"),
        _CHAT,
        "chat",
        ("plain", "options"),
    ),
    Call(
        "chat helper",
        ("chat.completions.stream", "beta.chat.completions.stream"),
        _CHAT,
        "chat",
        ("helper",),
    ),
    Call(
        "completion",
        ("completions.create",),
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Hello", "max_tokens": 500},
        "text_completion",
        HOWS,
    ),
    Call("response", ("responses.create",), _RESPONSE, "chat", HOWS),
    Call("response parse", ("responses.parse",), _RESPONSE, "chat", ("plain", "options")),
    Call("response helper", ("responses.stream",), _RESPONSE, "chat", ("helper",)),
    Call(
        "embeddings",
        ("embeddings.create",),
        {"model": "text-embedding-3-small", "input": "Hello"},
        "embeddings",
    ),
    Call(
        "image",
        ("images.generate",),
        {"model": "gpt-image-1", "prompt": "A cat"},
        "image_generation",
    ),
    Call(
        "image edit",
        ("images.edit",),
        {"model": "gpt-image-1", "prompt": "A cat", "image": PNG},
        "image_generation",
    ),
    Call(
        "image variation",
        ("images.create_variation",),
        {"model": "dall-e-2", "image": PNG},
        "image_generation",
    ),
    Call(
        "speech",
        ("audio.speech.create",),
        {"model": "tts-1", "voice": "alloy", "input": "Hello"},
        "speech",
    ),
    Call(
        "transcription",
        ("audio.transcriptions.create",),
        {"model": "gpt-4o-transcribe", "file": WAV},
        "transcription",
    ),
    Call(
        "translation",
        ("audio.translations.create",),
        {"model": "whisper-1", "file": WAV},
        "transcription",
    ),
    Call(
        "moderation",
        ("moderations.create",),
        {"model": "omni-moderation-latest", "input": "Hello"},
        "moderation",
    ),
    Call(
        "batch",
        ("batches.create",),
        {
            "input_file_id": "file-1",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
        "create_batch",
    ),
)
_LLAMA = {"model": "llama-3.3-70b-versatile", "messages": MESSAGES}
GROQ = (
    Call("chat", ("chat.completions.create",), _LLAMA, "chat", HOWS),
    Call(
        "embeddings",
        ("embeddings.create",),
        {"model": "nomic-embed-text-v1_5", "input": "Hello"},
        "embeddings",
    ),
    Call(
        "transcription",
        ("audio.transcriptions.create",),
        {"model": "whisper-large-v3", "file": WAV},
        "transcription",
    ),
)
TOGETHER = (
    Call("chat", ("chat.completions.create",), _LLAMA, "chat", HOWS),
    Call(
        "completion",
        ("completions.create",),
        {"model": "llama", "prompt": "Hello"},
        "text_completion",
        HOWS,
    ),
    Call(
        "embeddings",
        ("embeddings.create",),
        {"model": "BAAI/bge-base-en-v1.5", "input": "Hello"},
        "embeddings",
    ),
    Call(
        "image",
        ("images.generate",),
        {"model": "black-forest-labs/FLUX.1-schnell", "prompt": "A cat"},
        "image_generation",
    ),
    Call(
        "rerank",
        ("rerank.create",),
        {"model": "Salesforce/Llama-Rank-v1", "query": "a", "documents": ["a", "b"]},
        "rerank",
    ),
)
_MESSAGE = {"model": "claude-sonnet-5", "max_tokens": 500, "messages": MESSAGES}
ANTHROPIC = (
    Call("message", ("messages.create",), _MESSAGE, "chat", HOWS),
    Call("message helper", ("messages.stream",), _MESSAGE, "chat", ("helper",)),
    Call("beta message", ("beta.messages.create",), _MESSAGE, "chat", HOWS),
    Call("beta message helper", ("beta.messages.stream",), _MESSAGE, "chat", ("helper",)),
    Call(
        "message batch",
        ("messages.batches.create",),
        {"requests": [{"custom_id": "1", "params": _MESSAGE}]},
        "create_batch",
    ),
)


@dataclass(frozen=True)
class Sdk:
    """An SDK of the matrix.

    Attributes:
        package: Its import name.
        client: Name of its client class; the asynchronous one is `Async…`.
        calls: What can be called.
        root: What its base URL has after host and port.
        provider: Expected `gen_ai.provider.name` at a host that nobody knows.
        url_keyword: The client's argument for the base URL.
        options: More keywords for the client.
    """

    package: str
    client: str
    calls: tuple[Call, ...]
    root: str
    provider: str
    url_keyword: str = "base_url"
    options: dict[str, Any] = field(default_factory=dict)

    def connect(self, origin: str, *, asynchronous: bool = False, **options: Any) -> Any:
        """A client of this SDK for the server at `origin`."""
        cls = getattr(import_module(self.package), ("Async" if asynchronous else "") + self.client)
        url = {self.url_keyword: origin + self.root}
        return cls(api_key="test", max_retries=0, **url, **self.options, **options)


SDKS = (
    Sdk("openai", "OpenAI", OPENAI, "/v1", "openai_compatible"),
    Sdk(
        "openai",
        "AzureOpenAI",
        tuple(call for call in OPENAI if call.operation in ("chat", "embeddings")),
        "",
        "azure.ai.openai",
        "azure_endpoint",
        {"api_version": "2024-10-21"},
    ),
    Sdk("groq", "Groq", GROQ, "", "groq"),
    Sdk("together", "Together", TOGETHER, "/v1", "together"),
    Sdk("anthropic", "Anthropic", ANTHROPIC, "", "anthropic"),
)


def every_call() -> Iterator[tuple[Sdk, Call, str]]:
    """Every way of every call that the installed SDKs have."""
    for sdk in SDKS:
        if find_spec(sdk.package) is None:
            continue
        with sdk.connect("http://127.0.0.1:1") as client:
            for call in sdk.calls:
                if method_of(client, call) is not None:
                    yield from ((sdk, call, how) for how in call.hows)


def reach(node: Any, dotted: str) -> Any:
    """The attribute at the end of a dotted name, or None."""
    for name in dotted.split("."):
        node = getattr(node, name, None)
    return node


def method_of(client: Any, call: Call) -> str | None:
    """The first of a call's methods that the client has."""
    return next((name for name in call.methods if reach(client, name) is not None), None)


BY_NAME = {call.name: call for sdk, call, _ in every_call() if sdk is SDKS[0]}
"""The calls of this version of openai by name."""


def make(sdk: Sdk, call: Call, how: str, origin: str, **options: Any) -> list[Any]:
    """Make a call with a client of its own; returns what the SDK parsed: the answer or chunks."""
    with sdk.connect(origin, **options) as client:
        return read(begin(client, call, how), how)


async def make_async(sdk: Sdk, call: Call, how: str, origin: str, **options: Any) -> list[Any]:
    """The same with the asynchronous client."""
    async with sdk.connect(origin, asynchronous=True, **options) as client:
        return await read_async(begin(client, call, how), how)


def begin(client: Any, call: Call, how: str) -> Any:
    """What the SDK's method returns: an answer, a coroutine or a context manager."""
    if how == "options":
        client = client.with_options(timeout=30)
    resource, _, name = (method_of(client, call) or "").rpartition(".")
    holder = reach(client, resource)
    if how.startswith("raw"):
        holder = holder.with_raw_response
    elif how.startswith("streaming"):
        holder = holder.with_streaming_response
    stream = {"stream": True} if how.endswith("stream") else {}
    return getattr(holder, name)(**call.arguments, **stream)


def read(answer: Any, how: str) -> list[Any]:
    """Read an answer to its end."""
    if how == "helper":
        with answer as events:
            return list(events)
    if how.startswith("streaming"):
        with answer as response:
            response.read()
        return []
    if how.startswith("raw"):
        answer = answer.parse()
    return list(answer) if how.endswith("stream") else [answer]


async def read_async(answer: Any, how: str) -> list[Any]:
    """The same for what an asynchronous client returned."""
    if how == "helper":
        async with answer as events:
            return [event async for event in events]
    if how.startswith("streaming"):
        async with answer as response:
            await response.read()
        return []
    answer = await answer
    if how.startswith("raw"):
        answer = answer.parse()
        answer = await answer if inspect.isawaitable(answer) else answer
    return [chunk async for chunk in answer] if how.endswith("stream") else [answer]
