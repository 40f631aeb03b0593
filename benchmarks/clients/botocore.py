"""botocore: Converse of Amazon Bedrock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from clients import _bodies as bodies
from clients import _urllib3
from clients._httpx import Body
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client
from llm_otel.testing.provider import aws_events

_MODEL = "us.amazon.nova-pro-v1:0"
_USAGE = {
    "inputTokens": 128,
    "outputTokens": 212,
    "totalTokens": 1364,
    "cacheReadInputTokens": 1024,
    "cacheWriteInputTokens": 0,
}
_METRICS = {"latencyMs": 830}
REQUEST: dict[str, Any] = {
    "modelId": _MODEL,
    "system": [{"text": bodies.SYSTEM}],
    "messages": [{"role": "user", "content": [{"text": bodies.QUESTION}]}],
    "inferenceConfig": {"temperature": 0.2, "maxTokens": 512, "topP": 1.0},
}
_WHOLE = bodies.whole(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": bodies.ANSWER}]}},
        "stopReason": "end_turn",
        "usage": _USAGE,
        "metrics": _METRICS,
    }
)


def _frame(name: str, payload: dict[str, Any]) -> bytes:
    headers = {":message-type": "event", ":event-type": name}
    return aws_events._frame(headers, json.dumps(payload).encode())


def _stream() -> Body:
    def word(number: int) -> bytes:
        delta = {"contentBlockIndex": 0, "delta": {"text": f" word{number}"}}
        return _frame("contentBlockDelta", delta)

    pieces = [
        _frame("messageStart", {"role": "assistant"}),
        *map(word, range(CHUNKS - 4)),
        _frame("contentBlockStop", {"contentBlockIndex": 0}),
        _frame("messageStop", {"stopReason": "end_turn"}),
        _frame("metadata", {"usage": _USAGE, "metrics": _METRICS}),
    ]
    return Body({**bodies.HEADERS, "content-type": aws_events.MEDIA_TYPE}, pieces)


_STREAM = _stream()


ARGUMENTS: dict[str, Any] = {
    "service_name": "bedrock-runtime",
    "region_name": "us-east-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}


def body_of(url: str) -> Body:
    """What is answered at a URL."""
    return _STREAM if "stream" in url else _WHOLE


def _in_memory(request: Any, **_: Any) -> AWSResponse:
    """A handler of `before-send`: nothing is sent."""
    body = body_of(request.url)
    return AWSResponse(request.url, 200, body.headers, _urllib3.response(body))


def _calls() -> Mapping[str, Call]:
    client = boto3.client(**ARGUMENTS, config=Config(retries={"max_attempts": 0}))
    client.meta.events.register("before-send.bedrock-runtime", _in_memory)
    return {
        WHOLE: Call(lambda: client.converse(**REQUEST)),
        STREAM: Call(lambda: [*client.converse_stream(**REQUEST)["stream"]]),
    }


CLIENT = Client(("botocore",), _calls)
