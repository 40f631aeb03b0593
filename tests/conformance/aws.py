"""Bedrock's answers as AWS documents them, for a client that believes to call AWS."""

from __future__ import annotations

import json
from typing import Any

from llm_otel.testing import Reply
from llm_otel.testing.provider import aws_events

HEADERS = {"x-amzn-requestid": "6f3a0c54-0000-4000-8000-1234567890ab"}
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
USER = [{"role": "user", "content": [{"text": "Hello there"}]}]


def spoken(usage: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    """What Converse answers."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": "Yes."}]}},
        "stopReason": stop,
        "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100, **usage},
        "metrics": {"latencyMs": 420},
        **more,
    }


def whole(body: Any, **headers: str) -> Reply:
    """A whole answer."""
    return Reply(body=body, headers={**HEADERS, **headers})


def events(*parts: tuple[str, Any], error: str | None = None) -> Reply:
    """A stream of events, each a name and its data, and perhaps the error that it ends in."""
    frames = [aws_events.event(name, data) for name, data in parts]
    if error is not None:
        frames.append(aws_events.exception("no", error))
    return Reply(headers={**HEADERS, "content-type": aws_events.MEDIA_TYPE}, chunks=frames)


def spoken_events(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """The events that amount to what Converse answers."""
    told = ("usage", "metrics", "trace", "serviceTier", "performanceConfig")
    deltas = [
        ("contentBlockDelta", {"delta": {"text": each["text"]}, "contentBlockIndex": index})
        for index, each in enumerate(body["output"]["message"]["content"])
    ]
    return [
        ("messageStart", {"role": "assistant"}),
        *deltas,
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": body["stopReason"]}),
        ("metadata", {key: body[key] for key in told if key in body}),
    ]


def chunks(*bodies: dict[str, Any]) -> Reply:
    """A stream of InvokeModel."""
    frames = [aws_events.chunk(json.dumps(each, separators=(",", ":")).encode()) for each in bodies]
    return Reply(headers={**HEADERS, "content-type": aws_events.MEDIA_TYPE}, chunks=frames)


def refused(status: int, code: str, message: str = "no") -> Reply:
    """An error."""
    return Reply(
        status=status,
        body={"message": message},
        headers={**HEADERS, "x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/"},
    )
