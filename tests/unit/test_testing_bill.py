"""The local provider's own count of what it served."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from llm_otel.testing import Bill, Provider, provider

MESSAGES = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def server() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def client(server: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as made:
        yield made


def test_the_bill_is_the_sum_of_the_usages(server: Provider, client: openai.OpenAI) -> None:
    """Two chats of a model are one entry with the sums of what they reported."""
    usages = [client.chat.completions.create(model="o3", messages=MESSAGES).usage for _ in "12"]
    details = [usage.completion_tokens_details for usage in usages]
    assert server.bill == {
        "o3": Bill(
            answers=2,
            input_tokens=sum(usage.prompt_tokens for usage in usages),
            cached_tokens=0,
            output_tokens=sum(usage.completion_tokens for usage in usages),
            reasoning_tokens=sum(each.reasoning_tokens for each in details),
        )
    }


def test_a_stream_is_billed_without_being_asked_for_its_usage(
    server: Provider, client: openai.OpenAI
) -> None:
    """The bill of a stream is that of the same plain answer."""
    for _ in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
        pass
    streamed = server.bill["gpt-4o"]
    server.reset()
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert streamed == server.bill["gpt-4o"]
    assert streamed.output_tokens > 0


def test_every_endpoint_with_usage_is_billed(server: Provider, client: openai.OpenAI) -> None:
    """Completions, responses and embeddings are on the bill, by the model that was asked for."""
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello")
    client.responses.create(model="gpt-5", input="Hello")
    for _ in client.responses.create(model="gpt-5-mini", input="Hello", stream=True):
        pass
    client.embeddings.create(model="text-embedding-3-small", input="Hello")
    billed = {model: (bill.answers, bill.input_tokens > 0) for model, bill in server.bill.items()}
    models = ("gpt-3.5-turbo-instruct", "gpt-5", "gpt-5-mini", "text-embedding-3-small")
    assert billed == dict.fromkeys(models, (1, True)), billed


def test_a_background_response_is_billed_once(server: Provider, client: openai.OpenAI) -> None:
    """However often it is polled."""
    response = client.responses.create(model="gpt-5", input="Hello", background=True)
    for _ in range(4):
        response = client.responses.retrieve(response.id)
    assert response.usage is not None
    assert server.bill["gpt-5"].answers == 1
    assert server.bill["gpt-5"].output_tokens == response.usage.output_tokens


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "bad_gateway", "disconnect"])
def test_what_failed_is_not_billed(server: Provider, client: openai.OpenAI, fault: str) -> None:
    """A request that a fault befell is not on the bill."""
    server.enqueue(fault)
    with pytest.raises(openai.OpenAIError):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert server.bill == {}
