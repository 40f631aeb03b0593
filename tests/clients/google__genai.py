"""google-genai, as it calls the Gemini API; what is its own is in tests/conformance."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from google import genai
from google.genai import types

from clients.redirect import transport
from clients.spec import Client, Recorded, Way
from llm_otel.testing import Provider
from tests.conformance.expected import Facts, is_stream
from tests.conformance.replay import Exchange

MODEL = "gemini-2.5-flash"
QUESTION: dict[str, Any] = {"model": MODEL, "contents": "Tell me everything."}
INTERACTION: dict[str, Any] = {"model": MODEL, "input": "Tell me everything."}


def made(server: Provider, **arguments: Any) -> genai.Client:
    """A client of which everything reaches the local provider."""
    options = types.HttpOptions(
        client_args={"transport": transport(httpx, server, False)},
        async_client_args={"transport": transport(httpx, server, True)},
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(api_key="test", http_options=options, **arguments)


@contextmanager
def _sync(server: Provider) -> Iterator[Any]:
    with made(server) as client:
        yield client


@asynccontextmanager
async def _async(server: Provider) -> AsyncIterator[Any]:
    client = made(server)
    async with client.aio as asynchronous:
        yield asynchronous
    client.close()


def _make(server: Provider, asynchronous: bool) -> Any:
    return _async(server) if asynchronous else _sync(server)


# ------------------------------------------------------------------ recordings
def _ask(client: Any, exchange: Exchange) -> Any:
    """The request of an exchange, by the SDK's public method."""
    path, body = exchange["path"], exchange["request"]
    if path.endswith("/interactions"):
        return client.interactions.create(**body)
    if path.endswith("/cachedContents"):
        return client.caches.create(model=body["model"], config={"contents": body["contents"]})
    model = path.rpartition("/")[2].partition(":")[0]
    if path.endswith(":batchEmbedContents"):
        contents = [each["content"] for each in body["requests"]]
        return client.models.embed_content(model=model, contents=contents)
    config = {
        **(body.get("generationConfig") or {}),
        **{key: body[key] for key in ("systemInstruction", "tools") if key in body},
        "automaticFunctionCalling": {"disable": True},
    }
    streaming = path.endswith(":streamGenerateContent")
    models = client.models
    ask = models.generate_content_stream if streaming else models.generate_content
    return ask(model=model, contents=body["contents"], config=config)


def _stream(found: Any, exchange: Exchange) -> Any | None:
    streaming = exchange["request"].get("stream") or ":stream" in exchange["path"]
    return found if streaming else None


STOPS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
STATUSES = {"completed": "stop", "requires_action": "tool_call", "incomplete": "length"}


def facts(exchange: Exchange) -> Facts:
    """What the recorded body tells."""
    text = exchange["response"]
    if exchange["status"] >= 400:
        words = {400: "invalid_request", 401: "authentication", 403: "permission",
                 404: "not_found", 429: "rate_limit", 500: "server", 503: "server"}  # fmt: skip
        return Facts(error=words[exchange["status"]])
    if not is_stream(text):
        events = [json.loads(text)]
    else:
        lines = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
        events = [json.loads(line) for line in lines if line != "[DONE]"]
    return _interaction(events) if "/interactions" in exchange["path"] else _content(events)


def _content(events: list[dict[str, Any]]) -> Facts:
    reported = [event["usageMetadata"] for event in events if "usageMetadata" in event]
    usage = reported[-1] if reported and "candidates" in events[-1] else {}
    whole = Facts(
        model=events[-1].get("modelVersion"),
        response_id=events[-1].get("responseId"),
        input_tokens=_sum(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=_sum(usage, "candidatesTokenCount", "thoughtsTokenCount"),
        cached=usage.get("cachedContentTokenCount"),
        reasoning=usage.get("thoughtsTokenCount"),
    )
    stops: dict[int, str] = {}
    calls: set[int] = set()
    for event in events:
        for candidate in event.get("candidates") or ():
            index = candidate.get("index", 0)
            stops[index] = candidate.get("finishReason") or stops.get(index, "")
            parts = (candidate.get("content") or {}).get("parts") or ()
            calls |= {index for part in parts if "functionCall" in part}
    whole.finish_reasons = [
        "tool_call" if stop == "STOP" and index in calls else STOPS[stop]
        for index, stop in sorted(stops.items())
    ]
    return whole


def _sum(usage: dict[str, Any], *keys: str) -> int | None:
    return sum(usage.get(key, 0) for key in keys) or None


def _interaction(events: list[dict[str, Any]]) -> Facts:
    body = events[-1].get("interaction") or events[-1]
    usage = body.get("usage") or {}
    status = body["status"]
    return Facts(
        model=body.get("model"),
        response_id=body["id"],
        input_tokens=_sum(usage, "total_input_tokens", "total_tool_use_tokens"),
        output_tokens=_sum(usage, "total_output_tokens", "total_thought_tokens"),
        cached=usage.get("total_cached_tokens") or None,
        reasoning=usage.get("total_thought_tokens") or None,
        finish_reasons=[STATUSES[status]] if status in STATUSES else [],
    )


CLIENT = Client(
    provider="gcp.gemini",
    make=_make,
    ways=(
        Way(
            "content",
            lambda client: client.models.generate_content(**QUESTION),
            operation="generate_content",
            model=MODEL,
        ),
        Way(
            "content stream",
            lambda client: client.models.generate_content_stream(**QUESTION),
            streaming=True,
            lazy=True,
            operation="generate_content",
            model=MODEL,
        ),
        Way(
            "embeddings",
            lambda client: client.models.embed_content(
                model="gemini-embedding-001", contents=["one", "two"]
            ),
            operation="embeddings",
            model="gemini-embedding-001",
        ),
        Way(
            "interaction",
            lambda client: client.interactions.create(**INTERACTION),
            operation="generate_content",
            model=MODEL,
        ),
        Way(
            "interaction stream",
            lambda client: client.interactions.create(**INTERACTION, stream=True),
            streaming=True,
            operation="generate_content",
            model=MODEL,
        ),
    ),
    recorded=(Recorded("google-genai", _ask, facts, _stream),),
)
