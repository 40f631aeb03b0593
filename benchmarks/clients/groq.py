"""groq: chat completions."""

from __future__ import annotations

from collections.abc import Mapping

import groq
import httpx

from clients import _httpx, _openai
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("llama-3.3-70b-versatile")


def _calls() -> Mapping[str, Call]:
    client = groq.Groq(
        api_key="none", http_client=_httpx.client(httpx, _openai.answer(_REQUEST["model"]))
    )
    create = client.chat.completions.create
    return {
        WHOLE: Call(lambda: create(**_REQUEST)),
        STREAM: Call(lambda: [*create(**_REQUEST, stream=True)]),
    }


CLIENT = Client(("groq",), _calls)
