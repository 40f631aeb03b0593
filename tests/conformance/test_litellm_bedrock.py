"""litellm at Bedrock: requests to InvokeModel and Rerank that it sends itself, without boto."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from clients import litellm as table
from clients.litellm import litellm  # with what must be set before it is imported

from llm_otel import semconv
from llm_otel.testing import Reply

pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? '"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

table._import_all()

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
MESSAGES = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def at(p: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments of a request to the local provider, which gets it signed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-1")
    return {"aws_bedrock_runtime_endpoint": p.origin, "num_retries": 0}


def chat(model: str, stream: bool = False, **more: Any) -> None:
    """One chat, read to its end."""
    answer = litellm.completion(
        model=f"bedrock/invoke/{model}", messages=MESSAGES, max_tokens=10, stream=stream, **more
    )
    if stream:
        list(answer)


async def achat(model: str, stream: bool = False, **more: Any) -> None:
    """The same, asynchronous."""
    answer = await litellm.acompletion(
        model=f"bedrock/invoke/{model}", messages=MESSAGES, max_tokens=10, stream=stream, **more
    )
    if stream:
        async for _ in answer:
            pass


# Which model is asked, how, and the price of a million tokens of input and output (USD).
CALLS: dict[str, tuple[str, Callable[..., object], tuple[float, float]]] = {
    "chat": (HAIKU, chat, (0.25, 1.25)),
    "async chat": (HAIKU, lambda model, **at: asyncio.run(achat(model, **at)), (0.25, 1.25)),
    "stream": (HAIKU, lambda model, **at: chat(model, True, **at), (0.25, 1.25)),
    "async stream": (
        HAIKU, lambda model, **at: asyncio.run(achat(model, True, **at)), (0.25, 1.25),
    ),
    "Nova": ("us.amazon.nova-micro-v1:0", chat, (0.035, 0.14)),
    "Llama": ("meta.llama3-70b-instruct-v1:0", chat, (2.65, 3.5)),
    "embeddings": (
        "amazon.titan-embed-text-v2:0",
        lambda model, **at: litellm.embedding(model=f"bedrock/{model}", input=["Hello"], **at),
        (0.02, 0.0),
    ),
    "messages": (
        HAIKU,
        lambda model, **at: asyncio.run(
            litellm.anthropic_messages(
                model=f"bedrock/invoke/{model}", messages=MESSAGES, max_tokens=9, **at
            )
        ),
        (0.25, 1.25),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_invoke(instrumented, p, at, name):
    """One call of Bedrock with its model, tokens and cost, whatever the body looks like."""
    model, ask, (price_in, price_out) = CALLS[name]
    telemetry = instrumented()
    ask(model, **at)
    (bill,) = p.bill.values()
    attributes = telemetry.span.attributes
    assert len(p.requests) == 1
    assert attributes[semconv.PROVIDER_NAME] == "aws.bedrock"
    assert attributes[semconv.REQUEST_MODEL] == model
    assert attributes[semconv.USAGE_INPUT_TOKENS] == bill.input_tokens
    assert (attributes.get(semconv.USAGE_OUTPUT_TOKENS) or 0) == bill.output_tokens
    cost = (bill.input_tokens * price_in + bill.output_tokens * price_out) / 1e6
    assert attributes[semconv.COST_AMOUNT] == pytest.approx(cost)


def test_usage_in_headers(instrumented, p, at):
    """Tokens that the body does not tell are those of the headers."""
    telemetry = instrumented()
    counts = {"x-amzn-bedrock-input-token-count": "12", "X-Amzn-Bedrock-Output-Token-Count": "5"}
    p.enqueue(Reply(headers=counts, body={"outputs": [{"text": "Hi", "stop_reason": "stop"}]}))
    chat("mistral.mistral-7b-instruct-v0:2", **at)
    attributes = telemetry.span.attributes
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 12
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 5
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)


def test_content(instrumented, p, at):
    """By opt-in, what was asked and answered."""
    telemetry = instrumented(capture_content="span_only")
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-haiku-20240307",
        "content": [{"type": "text", "text": "Good day"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 12, "output_tokens": 5},
    }  # fmt: skip
    p.enqueue(Reply(body=answer))
    chat(HAIKU, **at)
    attributes = telemetry.span.attributes
    assert "Hello there" in attributes[semconv.INPUT_MESSAGES]
    assert json.loads(attributes[semconv.OUTPUT_MESSAGES])[0]["parts"] == [
        {"type": "text", "content": "Good day"}
    ]


def test_refusal(instrumented, p, at):
    """The provider's error is the call's."""
    telemetry = instrumented()
    p.enqueue(Reply(429, {"x-amzn-errortype": "ThrottlingException"}, {"message": "Too many"}))
    with pytest.raises(litellm.RateLimitError):
        chat(HAIKU, **at)
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == "rate_limit"


ARN = "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0"


def test_rerank(instrumented, p, at, monkeypatch):
    """Its model is in the body, and it is Bedrock's own at Bedrock's host."""
    telemetry = instrumented()
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    handler = HTTPHandler()
    send = handler.client.send

    def redirected(request: Any, **more: Any) -> Any:
        assert request.url.host == "bedrock-agent-runtime.us-west-2.amazonaws.com"
        request.url = httpx.URL(f"{p.origin}{request.url.path}")
        return send(request, **more)

    monkeypatch.setattr(handler.client, "send", redirected)
    p.enqueue(Reply(body={"results": [{"index": 0, "relevanceScore": 0.5}]}))
    given = {key: value for key, value in at.items() if not key.startswith("aws_")}
    litellm.rerank(
        model=f"bedrock/{ARN}", query="a", documents=["b"], aws_region_name="us-west-2",
        client=handler, **given,
    )  # fmt: skip
    attributes = telemetry.span.attributes
    assert attributes[semconv.PROVIDER_NAME] == "aws.bedrock"
    assert attributes[semconv.OPERATION_NAME] == "rerank"
    assert attributes[semconv.REQUEST_MODEL] == ARN
