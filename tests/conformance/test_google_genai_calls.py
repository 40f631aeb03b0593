"""google-genai in all versions: answers, streams, chats, embeddings, errors; sync and async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from llm_otel import semconv

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of aiohttp, pydantic
    # Older versions close nothing.
    pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
    ),
]

MODEL = "gemini-2.5-flash"
ASK: dict[str, Any] = {"model": MODEL, "contents": "Hello there"}


@pytest.fixture
def told(instrumented):
    return instrumented(providers={"127.0.0.1": "gcp.gemini"})


@pytest.fixture
def client(p):
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=p.origin))


def billed(told: Any, p: Any) -> None:
    """The calls told what the provider billed, and what it costs."""
    bill = p.bill.values()
    value = told.value
    assert value("gen_ai.tokens.consumed", token_type="input") == sum(b.input_tokens for b in bill)
    assert value("gen_ai.tokens.consumed", token_type="output") == sum(
        b.output_tokens for b in bill
    )
    assert value("llm_otel.internal_errors") == 0
    assert value("gen_ai.requests.active") == 0
    for span in told.spans:
        assert span.status == "UNSET"
        assert span.attributes[semconv.PROVIDER_NAME] == "gcp.gemini"
        assert span.attributes[semconv.COST_AMOUNT] > 0


def test_calls(told, client, p):
    """The sync client."""
    client.models.generate_content(**ASK)
    list(client.models.generate_content_stream(**ASK))
    chat = client.chats.create(model=MODEL)
    chat.send_message("Hello")
    list(chat.send_message_stream("Hello again"))
    client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    client.models.count_tokens(**ASK)
    names = [span.name for span in told.spans]
    assert names == [f"generate_content {MODEL}"] * 4 + ["embeddings gemini-embedding-001"]
    billed(told, p)


def test_async_calls(told, client, p):
    """The async client, with the HTTP client that it has by itself."""

    async def program() -> None:
        made = client.aio
        await made.models.generate_content(**ASK)
        async for _ in await made.models.generate_content_stream(**ASK):
            pass
        chat = made.chats.create(model=MODEL)
        await chat.send_message("Hello")
        async for _ in await chat.send_message_stream("Hello again"):
            pass
        await made.models.embed_content(model="gemini-embedding-001", contents="one")
        if hasattr(made, "aclose"):
            await made.aclose()

    asyncio.run(program())
    names = [span.name for span in told.spans]
    assert names == [f"generate_content {MODEL}"] * 4 + ["embeddings gemini-embedding-001"]
    billed(told, p)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("rate_limit", "rate_limit"), ("authentication", "authentication"), ("not_found",
     "not_found"), ("server_error", "server"), ("insufficient_funds", "insufficient_funds")],
)  # fmt: skip
@pytest.mark.parametrize("streaming", [False, True])
def test_refusals(told, client, p, fault, kind, streaming):
    """The SDK's exception has its class."""
    p.enqueue(fault)
    models = client.models
    ask = models.generate_content_stream if streaming else models.generate_content
    with pytest.raises(errors.APIError):
        list(ask(**ASK))
    assert told.span.attributes["llm_otel.error.class"] == kind


def test_an_error_in_a_stream(told, client, p):
    """What came before counts, and is not all."""
    p.enqueue("stream_error")
    try:
        list(client.models.generate_content_stream(**ASK))
    except errors.APIError:
        pass  # older versions take it for an empty chunk
    assert told.span.attributes["llm_otel.error.class"] == "server"
    assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


def test_a_stream_that_is_left(told, client):
    """It is cancelled, and no error."""
    for _ in client.models.generate_content_stream(**ASK):
        break
    assert told.span.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert told.span.status == "UNSET"
