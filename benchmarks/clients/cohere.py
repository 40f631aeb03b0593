"""cohere: chats of the second version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cohere
import httpx

from clients import _bodies as bodies
from clients import _httpx
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client

_ID = "c14c80c3-18eb-4519-9460-6c92edd8cfb4"
_USAGE = {
    "billed_units": {"input_tokens": 1152, "output_tokens": 212},
    "tokens": {"input_tokens": 1214, "output_tokens": 214},
    "cached_tokens": 1024,
}
_REQUEST: dict[str, Any] = {
    "model": "command-a-03-2025",
    "messages": bodies.MESSAGES,
    "temperature": 0.2,
    "max_tokens": 512,
    "p": 0.99,
}
_WHOLE = bodies.whole(
    {
        "id": _ID,
        "message": {"role": "assistant", "content": [{"type": "text", "text": bodies.ANSWER}]},
        "finish_reason": "COMPLETE",
        "usage": _USAGE,
    }
)


def _stream() -> _httpx.Body:
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    block = {"message": {"content": {"type": "text", "text": ""}}}
    end = {"finish_reason": "COMPLETE", "usage": _USAGE}
    words = (
        {
            "type": "content-delta",
            "index": 0,
            "delta": {"message": {"content": {"text": f" word{n}"}}},
        }
        for n in range(CHUNKS - 4)
    )
    return bodies.events(
        [
            {"id": _ID, "type": "message-start", "delta": {"message": start}},
            {"type": "content-start", "index": 0, "delta": block},
            *words,
            {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": end},
        ]
    )


_STREAM = _stream()


def _given(path: str, content: bytes) -> _httpx.Body:
    return _STREAM if b'"stream":true' in content.replace(b" ", b"") else _WHOLE


def _calls() -> Mapping[str, Call]:
    client = cohere.ClientV2(api_key="none", httpx_client=_httpx.client(httpx, _given))
    return {
        WHOLE: Call(lambda: client.chat(**_REQUEST)),
        STREAM: Call(lambda: [*client.chat_stream(**_REQUEST)]),
    }


CLIENT = Client(("cohere",), _calls)
