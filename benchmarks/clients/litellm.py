"""litellm: chat completions by its own HTTP client."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

import litellm
from litellm.llms.custom_httpx.http_handler import HTTPHandler

from clients import _httpx, _openai
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("hosted_vllm/qwen3-32b")


def _calls() -> Mapping[str, Call]:
    litellm.suppress_debug_info = True
    answer = _openai.answer(_REQUEST["model"].partition("/")[2])
    arguments = {
        **_REQUEST,
        "api_base": "http://localhost:8000/v1",
        "api_key": "none",
        "client": HTTPHandler(client=_httpx.client(httpx, answer)),
    }
    return {
        WHOLE: Call(lambda: litellm.completion(**arguments)),
        STREAM: Call(lambda: [*litellm.completion(**arguments, stream=True)]),
    }


CLIENT = Client(("litellm",), _calls)
