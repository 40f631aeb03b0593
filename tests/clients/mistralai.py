"""mistralai, as it calls Mistral; what is its own is in tests/conformance/test_mistral.py."""

from __future__ import annotations

from typing import Any

import httpx2
from mistralai.client import Mistral

from clients.redirect import http_client
from clients.spec import Client, Recorded, Way
from llm_otel.testing import Provider
from tests.conformance.expected import Facts, expected
from tests.conformance.replay import Exchange

MODEL = "mistral-small-latest"
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}
TALK: dict[str, Any] = {"model": MODEL, "inputs": "Tell me everything."}
PDF = {"type": "document_url", "document_url": "https://documents.example/1.pdf"}
SPEECH: dict[str, Any] = {
    "model": "voxtral-mini-latest",
    "file": {"file_name": "a.wav", "content": b"\0" * 64_000},
    "http_headers": {"content-type": "multipart/form-data; boundary=the-same-each-time"},
}


class _Named:
    """A client whose methods are called by the names of the sync ones."""

    suffix = ""

    def __init__(self, client: Mistral, http: Any) -> None:
        self.client = client
        self.http = http  # who makes it closes it

    def call(self, dotted: str, **arguments: Any) -> Any:
        """The result of a method, to be awaited of an async client."""
        node: Any = self.client
        for name in (dotted + self.suffix).split("."):
            node = getattr(node, name)
        return node(**arguments)


class _Sync(_Named):
    def __enter__(self) -> _Named:
        self.client.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.client.__exit__(*error)
        self.http.close()


class _Async(_Named):
    suffix = "_async"

    async def __aenter__(self) -> _Named:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.client.__aexit__(*error)
        await self.http.aclose()


def make(server: Provider, asynchronous: bool) -> _Named:
    """A client, sync or async."""
    own = http_client(httpx2, server, asynchronous)
    if asynchronous:
        return _Async(Mistral(api_key="test", async_client=own), own)
    return _Sync(Mistral(api_key="test", client=own), own)


def _way(name: str, method: str, arguments: dict[str, Any], **more: Any) -> Way:
    return Way(name, lambda client: client.call(method, **arguments), **more)


# ------------------------------------------------------------------ recordings
def _ask(client: _Named, exchange: Exchange) -> Any:
    request = dict(exchange["request"])
    streaming = request.pop("stream", False)
    if exchange["path"].endswith("/embeddings"):
        return client.call("embeddings.create", model=request["model"], inputs=request["input"])
    return client.call("chat.stream" if streaming else "chat.complete", **request)


def _stream(found: Any, exchange: Exchange) -> Any:
    return found if exchange["request"].get("stream") else None


def _facts(exchange: Exchange) -> Facts:
    return expected(exchange["status"], exchange["response"], parsed=True)


CLIENT = Client(
    provider="mistral_ai",
    make=make,
    ways=(
        _way("chat", "chat.complete", QUESTION, model=MODEL),
        _way("chat stream", "chat.stream", QUESTION, model=MODEL, streaming=True),
        _way(
            "agent",
            "agents.complete",
            {"agent_id": "ag_1", "messages": QUESTION["messages"]},
        ),
        _way(
            "fill in",
            "fim.complete",
            {"model": "codestral-latest", "prompt": "def f(", "suffix": "return 1"},
            operation="text_completion",
            model="codestral-latest",
        ),
        _way("conversation", "beta.conversations.start", TALK, model=MODEL),
        _way(
            "conversation stream",
            "beta.conversations.start_stream",
            TALK,
            model=MODEL,
            streaming=True,
        ),
        _way(
            "embeddings",
            "embeddings.create",
            {"model": "mistral-embed", "inputs": ["Hello", "you"]},
            operation="embeddings",
            model="mistral-embed",
        ),
        _way(
            "OCR",
            "ocr.process",
            {"model": "mistral-ocr-latest", "document": PDF},
            operation="ocr",
            model="mistral-ocr-latest",
        ),
        _way(
            "transcription",
            "audio.transcriptions.complete",
            SPEECH,
            operation="transcription",
            model="voxtral-mini-latest",
        ),
        _way(
            "transcription stream",
            "audio.transcriptions.stream",
            SPEECH,
            operation="transcription",
            model="voxtral-mini-latest",
            streaming=True,
        ),
    ),
    recorded=(Recorded("mistral", _ask, _facts, _stream),),
)
