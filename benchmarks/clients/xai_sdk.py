"""xai_sdk: chats, on a gRPC channel in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import xai_sdk
from xai_sdk.chat import system, user
from xai_sdk.proto import chat_pb2, sample_pb2, usage_pb2

from clients import _bodies as bodies
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client

_MODEL = "grok-4.3"
_USAGE = usage_pb2.SamplingUsage(
    prompt_tokens=1152,
    cached_prompt_text_tokens=1024,
    prompt_text_tokens=1152,
    completion_tokens=212,
    reasoning_tokens=64,
    total_tokens=1428,
)
_STOP = sample_pb2.REASON_STOP


def _names() -> dict[str, Any]:
    return {"id": "8a3b2c1d-0e9f-8071-6a45-2f1d9c0b7e6a", "model": _MODEL}


def _chunk(text: str, **more: Any) -> bytes:
    delta = chat_pb2.Delta(content=text, role=chat_pb2.ROLE_ASSISTANT)
    finish = _STOP if more else 0
    output = chat_pb2.CompletionOutputChunk(delta=delta, index=0, finish_reason=finish)
    chunk = chat_pb2.GetChatCompletionChunk(**_names(), outputs=[output], **more)
    return bytes(chunk.SerializeToString())


def _whole() -> bytes:
    message = chat_pb2.CompletionMessage(content=bodies.ANSWER, role=chat_pb2.ROLE_ASSISTANT)
    output = chat_pb2.CompletionOutput(message=message, index=0, finish_reason=_STOP)
    response = chat_pb2.GetChatCompletionResponse(**_names(), outputs=[output], usage=_USAGE)
    return bytes(response.SerializeToString())


_WHOLE = _whole()
_STREAM = [*(_chunk(f" word{n}") for n in range(CHUNKS - 1)), _chunk("", usage=_USAGE)]


class _Channel:
    """Answers in the process, by the same bytes as a server."""

    def unary_unary(
        self, path: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Any]:
        del path

        def call(request: Any, **_: Any) -> Any:
            request_serializer(request)
            return response_deserializer(_WHOLE)

        return call

    def unary_stream(
        self, path: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Any]:
        del path

        def call(request: Any, **_: Any) -> Iterator[Any]:
            request_serializer(request)
            return map(response_deserializer, _STREAM)

        return call

    stream_unary = stream_stream = unary_unary  # never called

    def close(self) -> None:
        pass


class _Client(xai_sdk.Client):
    def _make_grpc_channel(self, *_: Any, **__: Any) -> Any:
        return _Channel()


def _calls() -> Mapping[str, Call]:
    client = _Client(api_key="none")

    def chat() -> Any:
        return client.chat.create(
            model=_MODEL,
            messages=[system(bodies.SYSTEM), user(bodies.QUESTION)],
            temperature=0.2,
            max_tokens=512,
            top_p=1.0,
        )

    return {
        WHOLE: Call(lambda: chat().sample()),
        STREAM: Call(lambda: [*chat().stream()]),
    }


CLIENT = Client(("xai_sdk",), _calls)
