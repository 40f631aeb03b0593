"""Both layouts of mistralai, and both ways in which voyageai names its host: oldest to newest."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import mistralai
import pytest
import voyageai

from llm_otel.testing import Reply

try:
    from mistralai.client import Mistral
except ImportError:
    Mistral = mistralai.Mistral

# Older versions close no connection.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

MODEL = "mistral-small-latest"
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves open is gone when it ends."""
    yield
    gc.collect()


@pytest.fixture
def priced(instrumented):
    """Telemetry in which the local provider is Mistral."""
    return instrumented(providers={"127.0.0.1": "mistral_ai"})


def client(p: Any) -> Any:
    return Mistral(api_key="test", server_url=p.origin)


def billed(telemetry: Any, p: Any) -> None:
    """One call, and what the provider billed."""
    (bill,) = p.bill.values()
    value = telemetry.value
    assert telemetry.span.name == f"chat {MODEL}"
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert value("gen_ai.tokens.consumed", token_type="input") == bill.input_tokens
    assert value("gen_ai.tokens.consumed", token_type="output") == bill.output_tokens
    assert value("gen_ai.cost.usd") > 0
    assert value("llm_otel.internal_errors") == 0


def test_whole(priced, p):
    """A chat."""
    assert client(p).chat.complete(**ASK).choices[0].message.content
    billed(priced, p)


def test_stream(priced, p):
    """A stream of it."""
    assert len(list(client(p).chat.stream(**ASK))) > 2
    billed(priced, p)


def test_async(priced, p):
    """The same of the async methods."""

    async def program() -> int:
        chunks = await client(p).chat.stream_async(**ASK)
        return len([chunk async for chunk in chunks])

    assert asyncio.run(program()) > 2
    billed(priced, p)


def test_refused(priced, p):
    """An error of the provider's."""
    p.enqueue("rate_limit")
    with pytest.raises(Exception, match=r"429|Rate limit"):
        client(p).chat.complete(**ASK)
    assert priced.span.attributes["llm_otel.error.class"] == "rate_limit"


def test_embeddings(priced, p):
    """Vectors."""
    client(p).embeddings.create(model="mistral-embed", inputs=["Hi"])
    assert priced.span.name == "embeddings mistral-embed"
    assert priced.value("gen_ai.tokens.consumed") == 1


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_voyage(instrumented, p, asynchronous, monkeypatch):
    """An embedding, which the oldest versions ask of a global host."""
    telemetry = instrumented(providers={"127.0.0.1": "voyageai"})
    data = [{"object": "embedding", "embedding": "AACAPw==", "index": 0}]
    body = {"object": "list", "data": data, "model": "voyage-2", "usage": {"total_tokens": 7}}
    p.enqueue(Reply(body=body), Reply(status=429, body={"detail": "no"}))
    settings: dict[str, Any] = {"api_key": "test"}
    if hasattr(voyageai, "api_base"):
        monkeypatch.setattr(voyageai, "api_base", p.url)
    else:
        settings["base_url"] = p.url

    async def program() -> None:
        made = voyageai.AsyncClient(**settings)
        await made.embed(["Hi"], model="voyage-2")
        await made.embed(["Hi"], model="voyage-2")

    def same() -> None:
        made = voyageai.Client(**settings)
        made.embed(["Hi"], model="voyage-2")
        made.embed(["Hi"], model="voyage-2")

    with pytest.raises(voyageai.error.RateLimitError):
        asyncio.run(program()) if asynchronous else same()
    good, refused = telemetry.spans
    assert good.attributes["gen_ai.usage.input_tokens"] == 7
    assert refused.attributes["llm_otel.error.class"] == "rate_limit"
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(7 * 0.1 / 1e6)
