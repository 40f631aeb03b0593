"""What is Voyage AI's own: rerank by the token, images by the pixel, errors by its own names."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
import requests
import voyageai
from clients.voyageai import make
from hostile.harness import drive, entered, wait
from voyageai import error

from llm_otel.testing import Reply

KINDS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def run(p: Any, asynchronous: bool, program: Any) -> Any:
    """What a program gets of a client of either kind."""

    async def whole() -> Any:
        async with entered(make(p, asynchronous)) as client:
            return await wait(program(client))

    return asyncio.run(whole()) if asynchronous else drive(whole())


def embedded(model: str, **usage: int) -> Reply:
    data = [{"object": "embedding", "embedding": "AACAPw==", "index": 0}]
    return Reply(body={"object": "list", "data": data, "model": model, "usage": usage})


@KINDS
def test_embeddings(instrumented, p, asynchronous):
    """Tokens are input; the host tells who answers."""
    telemetry = instrumented()
    p.enqueue(embedded("voyage-4-large", total_tokens=1000))
    run(p, asynchronous, lambda c: c.embed(["a"], model="voyage-4-large", output_dimension=256))
    attributes = telemetry.span.attributes
    assert telemetry.span.name == "embeddings voyage-4-large"
    assert attributes["gen_ai.provider.name"] == "voyageai"
    assert attributes["server.address"] == "api.voyageai.com"
    assert attributes["gen_ai.usage.input_tokens"] == 1000
    assert attributes["gen_ai.embeddings.dimension.count"] == 256
    assert telemetry.value("gen_ai.tokens.consumed") == 1000
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(1000 * 0.12 / 1e6)
    assert "llm_otel.cost.status" not in attributes


@pytest.mark.parametrize(
    ("model", "usd"),
    [("rerank-2.5", 0.05), ("rerank-2.5-lite", 0.02), ("rerank-2", 0.05), ("rerank-lite-1", 0.02)],
)
@KINDS
def test_rerank_is_billed_by_the_token(instrumented, p, asynchronous, model, usd):
    """There are no search units; the price is for a million tokens."""
    telemetry = instrumented()
    found = [{"index": 0, "relevance_score": 0.5}]
    body = {"object": "list", "data": found, "model": model, "usage": {"total_tokens": 26}}
    p.enqueue(Reply(body=body))
    run(p, asynchronous, lambda client: client.rerank("q", ["d"], model=model))
    assert telemetry.span.name == f"rerank {model}"
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == 26
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(26 * usd / 1e6)
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == 0
    assert "llm_otel.cost.status" not in telemetry.span.attributes


@pytest.mark.parametrize(
    ("pixels", "usd", "status"),
    [
        ({"image_pixels": 1_000_000}, 10 * 0.12e-6 + 1_000_000 * 0.6e-9, None),
        # fewer than an image is billed for, and more
        ({"image_pixels": 40_000}, 10 * 0.12e-6 + 40_000 * 0.6e-9, "incomplete"),
        ({"image_pixels": 4_000_000}, 10 * 0.12e-6 + 4_000_000 * 0.6e-9, "incomplete"),
    ],
    ids=["usual", "small", "large"],
)
@KINDS
def test_images_are_billed_by_the_pixel(instrumented, p, asynchronous, pixels, usd, status):
    """The total counts pixels as tokens, too: they are billed once."""
    telemetry = instrumented()
    model = "voyage-multimodal-3.5"
    p.enqueue(embedded(model, text_tokens=10, video_pixels=0, total_tokens=1795, **pixels))
    image = PIL.Image.new("RGB", (10, 10))
    run(p, asynchronous, lambda client: client.multimodal_embed([["a", image]], model=model))
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.usage.image_pixels"] == pixels["image_pixels"]
    assert telemetry.value("gen_ai.tokens.consumed") == 10
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(usd)
    assert attributes.get("llm_otel.cost.status") == status


def test_an_image_without_a_text(instrumented, p):
    """Pixels alone are a usage, and have their price."""
    telemetry = instrumented()
    usage = {"text_tokens": 0, "image_pixels": 1_000_000, "video_pixels": 0, "total_tokens": 1785}
    p.enqueue(embedded("voyage-multimodal-3", **usage))
    image = PIL.Image.new("RGB", (10, 10))
    run(p, False, lambda client: client.multimodal_embed([[image]], model="voyage-multimodal-3"))
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(1_000_000 * 0.6e-9)
    assert telemetry.value("llm_otel.usage.unknown") == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request"), (401, "authentication"), (422, "invalid_request"),
     (429, "rate_limit"), (500, "server"), (503, "server"), (418, "invalid_request")],
)  # fmt: skip
@KINDS
def test_errors(instrumented, p, asynchronous, status, kind):
    """The class is that of the status, which the SDK's exceptions name in their own way."""
    telemetry = instrumented()
    p.enqueue(Reply(status=status, body={"detail": "no"}))
    with pytest.raises(error.VoyageError):
        run(p, asynchronous, lambda client: client.embed(["a"], model="voyage-4"))
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == kind
    assert attributes["error.type"].startswith("voyageai.error.")
    assert telemetry.value("gen_ai.errors", error_type=kind) == 1


def test_a_timeout(instrumented, p, monkeypatch):
    """It has no status, and a class of the SDK's own."""
    telemetry = instrumented()

    def slow(*_: Any, **__: Any) -> None:
        raise requests.exceptions.ReadTimeout

    monkeypatch.setattr(requests.Session, "request", slow)
    with pytest.raises(error.Timeout):
        run(p, False, lambda client: client.embed(["a"], model="voyage-4"))
    assert telemetry.span.attributes["llm_otel.error.class"] == "timeout"


def test_nobody_answers(instrumented):
    """A refused connection is one, sync and async."""
    telemetry = instrumented()
    client = voyageai.Client(api_key="test", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(error.APIConnectionError):
        client.embed(["a"], model="voyage-4")

    async def program() -> None:
        other = voyageai.AsyncClient(api_key="test", base_url="http://127.0.0.1:9/v1")
        with pytest.raises(error.APIConnectionError):
            await other.embed(["a"], model="voyage-4")

    asyncio.run(program())
    assert {span.attributes["llm_otel.error.class"] for span in telemetry.spans} == {"connection"}
    assert len(telemetry.spans) == 2


def test_request_id(instrumented, p):
    """The span names the request, whether it was answered or refused."""
    telemetry = instrumented()
    run(p, False, lambda client: client.embed(["a"], model="voyage-4"))
    p.enqueue("authentication")
    with pytest.raises(error.AuthenticationError):
        run(p, False, lambda client: client.embed(["a"], model="voyage-4"))
    for span in telemetry.spans:
        assert span.attributes["llm_otel.provider.request_id"].startswith("req_")


def test_retries_are_requests_of_their_own(instrumented, p, monkeypatch):
    """The SDK tries again above the function that we see."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _: None))
    telemetry = instrumented()
    p.enqueue("rate_limit")
    client = voyageai.Client(api_key="test", base_url=p.url, max_retries=2)
    client.embed(["a"], model="voyage-4")
    assert [span.status for span in telemetry.spans] == ["ERROR", "UNSET"]


def test_no_content(instrumented, p):
    """What is embedded or ranked is never kept, in no mode."""
    telemetry = instrumented(capture_content="span_and_event")
    secret = "xyzzy-plugh"
    run(p, False, lambda client: client.embed([secret], model="voyage-4"))
    run(p, False, lambda client: client.rerank(secret, [secret], model="rerank-2.5"))
    assert len(telemetry.spans) == 2
    assert secret not in repr(telemetry)
