"""ollama: chats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import ollama

from clients import _bodies as bodies
from clients import _httpx
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client

_MODEL = "llama3.2"
_REQUEST: dict[str, Any] = {
    "model": _MODEL,
    "messages": bodies.MESSAGES,
    "options": {"temperature": 0.2, "num_predict": 512, "top_p": 1.0},
}


def _answer(text: str, **end: object) -> dict[str, Any]:
    return {
        "model": _MODEL,
        "created_at": "2026-11-21T12:00:00.123456Z",
        "message": {"role": "assistant", "content": text},
        "done": bool(end),
        **end,
    }


_END = {
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 128,
    "prompt_eval_duration": 342546000,
    "eval_count": 212,
    "eval_duration": 4535599000,
}
_WHOLE = bodies.whole(_answer(bodies.ANSWER, **_END))
_STREAM = bodies.lines([*(_answer(f" word{n}") for n in range(CHUNKS - 1)), _answer("", **_END)])


def _given(path: str, content: bytes) -> _httpx.Body:
    return _STREAM if b'"stream":true' in content.replace(b" ", b"") else _WHOLE


def _calls() -> Mapping[str, Call]:
    client = ollama.Client("http://localhost:11434")
    client._client = _httpx.client(httpx, _given, base_url="http://localhost:11434")
    return {
        WHOLE: Call(lambda: client.chat(**_REQUEST)),
        STREAM: Call(lambda: [*client.chat(**_REQUEST, stream=True)]),
    }


CLIENT = Client(("ollama",), _calls)
