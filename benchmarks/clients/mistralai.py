"""mistralai: chat completions."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
from mistralai.client import Mistral

from clients import _httpx, _openai
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("mistral-large-latest")


def _calls() -> Mapping[str, Call]:
    answer = _openai.answer(_REQUEST["model"], usage_apart=False)
    client = Mistral(api_key="none", client=_httpx.client(httpx2, answer))
    return {
        WHOLE: Call(lambda: client.chat.complete(**_REQUEST)),
        STREAM: Call(lambda: [*client.chat.stream(**_REQUEST)]),
    }


CLIENT = Client(("mistralai",), _calls)
