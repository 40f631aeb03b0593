"""huggingface_hub's `InferenceClient`, by Hugging Face's router."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import huggingface_hub
from huggingface_hub.errors import HTTPError

from clients.redirect import http_client
from clients.spec import Client, Way
from llm_otel.testing import Provider

# The library that it sends by: httpx before 2.0, then httpx2.
HTTP = importlib.import_module(HTTPError.__module__.partition(".")[0])
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
TGI = "mistralai/Mistral-7B-Instruct-v0.3"
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}
PROMPT: dict[str, Any] = {
    "prompt": "Once upon a time",
    "model": f"https://router.huggingface.co/hf-inference/models/{TGI}",
    "details": True,
}


@contextmanager
def _sync(server: Provider) -> Iterator[Any]:
    http = http_client(HTTP, server, False)
    huggingface_hub.set_client_factory(lambda: http)
    with huggingface_hub.InferenceClient(api_key="hf_test") as client:
        yield client
    huggingface_hub.close_session()


@asynccontextmanager
async def _async(server: Provider) -> AsyncIterator[Any]:
    huggingface_hub.set_async_client_factory(lambda: http_client(HTTP, server, True))
    async with huggingface_hub.AsyncInferenceClient(api_key="hf_test") as client:
        yield client


def _make(server: Provider, asynchronous: bool) -> Any:
    return _async(server) if asynchronous else _sync(server)


CLIENT = Client(
    provider="huggingface",
    make=_make,
    ways=(
        Way("chat", lambda client: client.chat_completion(**QUESTION), model=MODEL),
        Way(
            "chat stream",
            lambda client: client.chat.completions.create(
                **QUESTION, stream=True, stream_options={"include_usage": True}
            ),
            streaming=True,
            model=MODEL,
        ),
        Way(
            "generation",
            lambda client: client.text_generation(**PROMPT, decoder_input_details=True),
            operation="text_completion",
        ),
        Way(
            "generation stream",
            lambda client: client.text_generation(**PROMPT, stream=True),
            operation="text_completion",
            streaming=True,
        ),
    ),
)
