"""google-genai: generated content, as Gemini answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from google import genai
from google.genai import types

from clients import _bodies as bodies
from clients import _httpx
from clients.spec import CHUNKS, STREAM, WHOLE, Call, Client

_MODEL = "gemini-2.5-flash"
_USAGE = {
    "promptTokenCount": 1152,
    "candidatesTokenCount": 212,
    "totalTokenCount": 1428,
    "cachedContentTokenCount": 1024,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1152}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 1024}],
    "thoughtsTokenCount": 64,
}


def _answer(text: str, finish: str | None = None) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"}
    end = {} if finish is None else {"finishReason": finish}
    return {
        "candidates": [{"content": content, **end, "index": 0}],
        "usageMetadata": _USAGE,
        "modelVersion": _MODEL,
        "responseId": "p1QoaZmqKfTVxN8PvK-YyAI",
    }


_WHOLE = bodies.whole(_answer(bodies.ANSWER, "STOP"))
_STREAM = bodies.events(
    [*(_answer(f" word{n}") for n in range(CHUNKS - 1)), _answer("", "STOP")], done=False
)


def _given(path: str, content: bytes) -> _httpx.Body:
    return _STREAM if "stream" in path else _WHOLE


def _calls() -> Mapping[str, Call]:
    options = types.HttpOptions(httpx_client=_httpx.client(httpx, _given))
    client = genai.Client(api_key="none", vertexai=False, http_options=options)
    arguments: dict[str, Any] = {
        "model": _MODEL,
        "contents": bodies.QUESTION,
        "config": types.GenerateContentConfig(
            system_instruction=bodies.SYSTEM, temperature=0.2, max_output_tokens=512, top_p=1.0
        ),
    }
    models = client.models
    return {
        WHOLE: Call(lambda: models.generate_content(**arguments)),
        STREAM: Call(lambda: [*models.generate_content_stream(**arguments)]),
    }


CLIENT = Client(("google",), _calls)
