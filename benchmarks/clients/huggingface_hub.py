"""huggingface_hub: chat completions of the router."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
from huggingface_hub import InferenceClient, set_client_factory

from clients import _httpx, _openai
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("meta-llama/Llama-3.3-70B-Instruct")


def _calls() -> Mapping[str, Call]:
    set_client_factory(lambda: _httpx.client(httpx2, _openai.answer(_REQUEST["model"])))
    client = InferenceClient(base_url="https://router.huggingface.co/v1", api_key="hf_none")
    return {
        WHOLE: Call(lambda: client.chat_completion(**_REQUEST)),
        STREAM: Call(lambda: [*client.chat_completion(**_REQUEST, stream=True)]),
    }


CLIENT = Client(("huggingface_hub",), _calls)
