"""together: chat completions."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import together

from clients import _httpx, _openai
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("meta-llama/Llama-3.3-70B-Instruct-Turbo")


def _calls() -> Mapping[str, Call]:
    client = together.Together(
        api_key="none", http_client=_httpx.client(httpx, _openai.answer(_REQUEST["model"]))
    )
    create = client.chat.completions.create
    return {
        WHOLE: Call(lambda: create(**_REQUEST)),
        STREAM: Call(lambda: [*create(**_REQUEST, stream=True)]),
    }


CLIENT = Client(("together",), _calls)
