"""A stream that is read as bytes tells the same whether its pieces of text are parsed or not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_otel.base import frames
from llm_otel.protocols.mistral import CHAT, CONVERSATION
from llm_otel.protocols.spec import Endpoint
from llm_otel.providers.dialects import PLAIN

EVENTS = "text/event-stream"
COMMON = {"id": "c1", "object": "chat.completion.chunk", "model": "m"}
USED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def piece(text: str, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return {**COMMON, "choices": [choice], **more}


def said(text: str, identity: str = "msg_1", **more: Any) -> dict[str, Any]:
    return {"type": "message.output.delta", "id": identity, "model": "m", "content": text, **more}


END = piece("", finish="stop", usage=USED)
TRICKY = '"finish_reason": null, "usage": {"prompt_tokens": 99}, "error": {"code": 429}'
STARTED = {"type": "conversation.response.started", "conversation_id": "conv_1"}
DONE = {"type": "conversation.response.done", "usage": USED}
FAILED = {"type": "conversation.response.error", "code": 500, "message": "msg_1"}
STREAMS: dict[str, tuple[Endpoint, list[dict[str, Any]]]] = {
    "usual": (CHAT, [piece("a"), piece("b"), piece("c"), END]),
    "cut off": (CHAT, [piece("a"), piece("b"), piece("c")]),
    "a null usage": (CHAT, [piece("a", usage=None), piece("b", usage=None), END]),
    "usage in each": (CHAT, [piece("a", usage=USED), piece("b", usage=USED), END]),
    "usage at last": (CHAT, [piece("a"), piece("b", finish="stop"), {**COMMON, "choices": [],
                                                                     "usage": USED}]),
    "choices": (CHAT, [piece("a"), piece("b", 1), piece("", 1, "length"), piece("c"), END]),
    "two in one": (CHAT, [piece("a"), {**COMMON, "choices": [
        *piece("b")["choices"], *piece("", 1, "length")["choices"]]}, END]),
    "an error": (CHAT, [piece("a"), piece("b"), {"object": "error", "type": "rate_limited"}]),
    "a text that looks like it": (CHAT, [piece("a"), piece(TRICKY), piece(TRICKY), END]),
    "conversation": (CONVERSATION, [STARTED, said("a"), said("b"), said("c"), DONE]),
    "two messages": (CONVERSATION, [STARTED, said("a"), said("b"), said("c", "msg_2", model="n"),
                                    said("d", "msg_2", model="n"), DONE]),
    "a failed one": (CONVERSATION, [STARTED, said("a"), said("b"), FAILED]),
}  # fmt: skip


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
@pytest.mark.parametrize("name", STREAMS)
def test_the_same_answer(name: str, separators: tuple[str, str]) -> None:
    """And nearly nothing was parsed of what only goes on."""
    endpoint, bodies = STREAMS[name]
    lines = [f"data: {json.dumps(body, separators=separators)}\n\n" for body in bodies]
    data = "".join(lines).encode()
    plain, quick = (endpoint.protocol.fold(endpoint, PLAIN) for _ in range(2))
    for node in frames.objects(data, EVENTS):
        plain.add(node)
    parsed = 0
    skips = getattr(quick, "skips", None)
    for node in frames.objects(data, EVENTS, endpoint.protocol.telling, skips):
        parsed += 1
        quick.add(node)
    assert quick.answer() == plain.answer()
    assert quick.ended == plain.ended
    if name in ("usual", "conversation"):
        assert parsed < len(bodies)
