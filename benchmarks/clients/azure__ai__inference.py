"""azure-ai-inference: chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import RequestsTransport

from clients import _openai, _urllib3
from clients.spec import STREAM, WHOLE, Call, Client

_REQUEST = _openai.request("gpt-4o")


def _calls() -> Mapping[str, Call]:
    session = requests.Session()
    session.mount("https://", _urllib3.Memory(_openai.answer(_REQUEST["model"])))
    transport: Any = RequestsTransport(session=session, session_owner=False)
    client = ChatCompletionsClient(
        "https://example.services.ai.azure.com/models",
        AzureKeyCredential("none"),
        transport=transport,
    )
    return {
        WHOLE: Call(lambda: client.complete(**_REQUEST)),
        STREAM: Call(lambda: [*client.complete(**_REQUEST, stream=True)]),
    }


CLIENT = Client(("azure",), _calls)
