"""xai_sdk, as it calls xAI over gRPC: a bridge asks the local provider, which speaks HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import grpc
import httpx2
from opentelemetry.trace import INVALID_SPAN
from xai_sdk import AsyncClient
from xai_sdk import Client as SyncClient
from xai_sdk.aio import chat as aio_chat
from xai_sdk.chat import user
from xai_sdk.proto import chat_pb2, usage_pb2

from clients.spec import Client, Way
from llm_otel.testing import Provider
from tests.conformance.xai_server import Server, serving

MODEL = "grok-4.3"

# What gRPC answers in the place of an HTTP status.
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    402: grpc.StatusCode.PERMISSION_DENIED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_FINISHES = {"length": 1, "stop": 3, "tool_calls": 4}


@dataclass
class Bridge(Server):
    """A gRPC server that asks the local provider.

    Attributes:
        url: Of the provider's chat completions.
    """

    url: str = ""

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The provider's completion as a message."""
        try:
            response = httpx2.post(self.url, json=_body(request, False))
            if response.status_code >= 400:
                context.abort(_code(response.status_code), "refused")
            return _completion(response.json())
        except (httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)

    def stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """The provider's chunks as messages."""
        try:
            with httpx2.stream("POST", self.url, json=_body(request, True)) as response:
                if response.status_code >= 400:
                    context.abort(_code(response.status_code), "refused")
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        yield _chunk(json.loads(line[6:]))
        except (httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)


def _code(status: int) -> grpc.StatusCode:
    return _CODES.get(status, grpc.StatusCode.UNAVAILABLE)


def _body(request: Any, stream: bool) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "".join(part.text for part in message.content)}
        for message in request.messages
    ]
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return {"model": request.model, "messages": messages, **options}


def _usage(body: dict[str, Any]) -> usage_pb2.SamplingUsage:
    counts = body.get("usage") or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return usage_pb2.SamplingUsage(**{name: counts.get(name, 0) for name in names})


def _completion(body: Any) -> chat_pb2.GetChatCompletionResponse:
    outputs = [
        chat_pb2.CompletionOutput(
            index=choice["index"],
            finish_reason=_FINISHES[choice["finish_reason"]],
            message=chat_pb2.CompletionMessage(
                content=choice["message"]["content"], role=chat_pb2.ROLE_ASSISTANT
            ),
        )
        for choice in body.get("choices", ())
    ]
    return chat_pb2.GetChatCompletionResponse(
        id=body.get("id"), model=body.get("model"), outputs=outputs, usage=_usage(body)
    )


def _chunk(body: Any) -> chat_pb2.GetChatCompletionChunk:
    if "error" in body:
        raise ValueError("error")
    outputs = [
        chat_pb2.CompletionOutputChunk(
            index=choice["index"],
            finish_reason=_FINISHES.get(choice["finish_reason"], 0),
            delta=chat_pb2.Delta(
                content=choice["delta"].get("content") or "", role=chat_pb2.ROLE_ASSISTANT
            ),
        )
        for choice in body.get("choices", ())
    ]
    return chat_pb2.GetChatCompletionChunk(
        id=body.get("id"), model=body.get("model"), outputs=outputs, usage=_usage(body)
    )


# ------------------------------------------------------------------ the client
@contextmanager
def _made(server: Provider) -> Iterator[Any]:
    bridge = Bridge(url=f"{server.url}/chat/completions")
    with serving(bridge), SyncClient(**bridge.options()) as client:
        yield client


class _NoTracer:
    @contextmanager
    def start_as_current_span(self, **_: Any) -> Iterator[Any]:
        yield INVALID_SPAN


@asynccontextmanager
async def _made_async(server: Provider) -> AsyncIterator[Any]:
    bridge = Bridge(url=f"{server.url}/chat/completions")
    # Of an asynchronous stream that is dropped, the SDK's own span logs "Failed to detach context",
    # with us and without.
    with serving(bridge), patch.object(aio_chat, "tracer", _NoTracer()):
        async with AsyncClient(**bridge.options()) as client:
            yield client


def _make(server: Provider, asynchronous: bool) -> Any:
    return _made_async(server) if asynchronous else _made(server)


def _chat(client: Any) -> Any:
    return client.chat.create(MODEL, messages=[user("Tell me everything.")])


def _shown(response: Any) -> str:
    return str(response.proto)


def _shown_chunk(item: Any) -> tuple[str, str]:
    response, chunk = item
    return response.content, str(chunk.proto)


CLIENT = Client(
    provider="x_ai",
    make=_make,
    ways=(
        Way("chat", lambda client: _chat(client).sample(), model=MODEL, shown=_shown),
        Way(
            "chat stream",
            lambda client: _chat(client).stream(),
            streaming=True,
            model=MODEL,
            lazy=True,
            shown=_shown_chunk,
        ),
    ),
)
