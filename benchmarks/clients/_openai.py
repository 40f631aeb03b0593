"""Bodies in the shape of OpenAI's chat completions, as many providers answer."""

from __future__ import annotations

from typing import Any

from clients import _bodies as bodies
from clients._httpx import Answer, Body
from clients.spec import CHUNKS

_ID = "chatcmpl-CfH2kQ0m7VbYt3aLx9PzRs5UwNdEo"
_USAGE = {
    "prompt_tokens": 1152,
    "completion_tokens": 212,
    "total_tokens": 1364,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 64},
}


def request(model: str) -> dict[str, Any]:
    """The arguments of a chat call."""
    return {
        "model": model,
        "messages": bodies.MESSAGES,
        "temperature": 0.2,
        "max_tokens": 512,
        "top_p": 1.0,
    }


def whole(model: str) -> Body:
    """A chat completion."""
    message = {"role": "assistant", "content": bodies.ANSWER, "tool_calls": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return bodies.whole(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": 1795262400,
            "model": model,
            "choices": [choice],
            "usage": _USAGE,
        }
    )


def stream(model: str, *, usage_apart: bool = True) -> Body:
    """A stream of them.

    Args:
        model: Who answers.
        usage_apart: The usage is in a chunk of its own, else in the last that has a choice.
    """

    def chunk(delta: dict[str, object], finish: str | None = None, **more: object) -> object:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": _ID,
            "object": "chat.completion.chunk",
            "created": 1795262400,
            "model": model,
            "choices": [choice],
            **more,
        }

    words = [chunk({"content": f" word{n}"}) for n in range(CHUNKS - 2 - usage_apart)]
    chunks = [chunk({"role": "assistant", "content": ""}), *words]
    if usage_apart:
        chunks += [chunk({}, "stop"), chunk({}, choices=[], usage=_USAGE)]
    else:
        chunks.append(chunk({"content": ""}, "stop", usage=_USAGE))
    return bodies.events(chunks)


def answer(model: str, *, usage_apart: bool = True) -> Answer:
    """Answers a chat call, streamed if it asks for that."""
    completion, chunks = whole(model), stream(model, usage_apart=usage_apart)

    def given(path: str, content: bytes) -> Body:
        return chunks if b'"stream":true' in content.replace(b" ", b"") else completion

    return given
