"""azure-ai-inference, as it calls a resource of Azure AI Foundry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from azure.ai import inference
from azure.ai.inference import aio
from azure.ai.inference.models import SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

from clients.spec import Client, Way
from llm_otel.testing import Provider

MODEL = "gpt-4o"
HOST = "https://example.services.ai.azure.com"


def _arguments(server: Provider, transport: Any) -> dict[str, Any]:
    """Arguments of a client whose requests keep the host that they believe to go to."""

    class Redirected(transport):  # type: ignore[misc]
        def send(self, request: Any, **more: Any) -> Any:
            request.url = request.url.replace(HOST, server.origin)
            return super().send(request, **more)

    return {
        "endpoint": f"{HOST}/models",
        "credential": AzureKeyCredential("test"),
        "transport": Redirected(),
        "retry_total": 0,
    }


@dataclass
class Clients:
    """A client for chats, and one for embeddings."""

    chat: Any
    embeddings: Any


@contextmanager
def _sync(server: Provider) -> Iterator[Any]:
    with ExitStack() as stack:
        kinds = (inference.ChatCompletionsClient, inference.EmbeddingsClient)
        yield Clients(
            *(stack.enter_context(kind(**_arguments(server, RequestsTransport))) for kind in kinds)
        )


@asynccontextmanager
async def _async(server: Provider) -> AsyncIterator[Any]:
    async with (
        aio.ChatCompletionsClient(**_arguments(server, AioHttpTransport)) as chat,
        aio.EmbeddingsClient(**_arguments(server, AioHttpTransport)) as embeddings,
    ):
        yield Clients(chat, embeddings)


def _make(server: Provider, asynchronous: bool) -> Any:
    return _async(server) if asynchronous else _sync(server)


def _ask(client: Any, **more: Any) -> Any:
    messages = [SystemMessage("Be short."), UserMessage("Tell me everything.")]
    return client.chat.complete(messages=messages, model=MODEL, temperature=0.5, **more)


def _shown(answer: Any) -> Any:
    return type(answer).__name__, answer.as_dict()


CLIENT = Client(
    provider="azure.ai.inference",
    make=_make,
    ways=(
        Way("chat", _ask, model=MODEL, shown=_shown),
        Way(
            "chat stream",
            lambda client: _ask(
                client, stream=True, model_extras={"stream_options": {"include_usage": True}}
            ),
            streaming=True,
            model=MODEL,
            shown=_shown,
        ),
        Way(
            "embeddings",
            lambda client: client.embeddings.embed(input=["Hello"], model="text-embedding-3-small"),
            operation="embeddings",
            model="text-embedding-3-small",
            shown=_shown,
        ),
    ),
    volatile=frozenset({"x-ms-client-request-id"}),
)
