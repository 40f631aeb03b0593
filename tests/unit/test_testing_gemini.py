"""The local provider answers Google's SDK as the Gemini API and Vertex AI would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from llm_otel.testing import FAULTS, Provider, provider

MODEL = "gemini-2.5-flash"
ASK: dict[str, Any] = {"model": MODEL, "contents": "Hello there"}
LONG = "A long document about nothing at all. " * 200


@pytest.fixture
def p() -> Iterator[Provider]:
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p: Provider) -> Iterator[genai.Client]:
    options = types.HttpOptions(
        base_url=p.origin, retry_options=types.HttpRetryOptions(attempts=1), timeout=2000
    )
    with genai.Client(api_key="test", http_options=options) as made:
        yield made


class TestContent:
    def test_whole(self, client, p):
        """An answer has text, a usage of four characters a token, and a finish reason."""
        answer = client.models.generate_content(**ASK)
        usage = answer.usage_metadata
        assert answer.model_version == MODEL
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert usage.prompt_token_count == 3
        assert usage.candidates_token_count == -(-len(answer.text) // 4)
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
        assert p.requests[0].model == MODEL

    def test_stream_is_the_same_answer(self, client, p):
        """The pieces are the text; the last chunk has the whole usage."""
        whole = client.models.generate_content(**ASK)
        p.reset()
        chunks = list(client.models.generate_content_stream(**ASK))
        assert len(chunks) > 2
        assert "".join(chunk.text or "" for chunk in chunks) == whole.text
        assert chunks[-1].usage_metadata == whole.usage_metadata
        assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * (
            len(chunks) - 1
        )

    def test_functions_thoughts_and_schemas(self, client):
        """A function that the question names is called; JSON fits its schema."""

        def get_weather(city: str) -> str:
            """The weather."""
            return city

        config = types.GenerateContentConfig(
            tools=[get_weather],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            thinking_config=types.ThinkingConfig(include_thoughts=True),
        )
        answer = client.models.generate_content(
            model=MODEL, contents="What does get_weather say?", config=config
        )
        assert answer.function_calls[0].name == "get_weather"
        assert answer.usage_metadata.thoughts_token_count > 0
        schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
        config = types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=schema, max_output_tokens=500
        )
        text = client.models.generate_content(**ASK, config=config).text
        assert isinstance(json.loads(text)["city"], str)

    def test_limits(self, client):
        """`max_output_tokens`, stop sequences and the number of candidates are kept."""
        ask = client.models.generate_content
        short = ask(**ASK, config={"max_output_tokens": 2})
        assert short.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
        assert short.usage_metadata.candidates_token_count == 2
        word = ask(**ASK).text.split()[2]
        stopped = ask(**ASK, config={"stop_sequences": [word]})
        assert word not in stopped.text
        assert len(ask(**ASK, config={"candidate_count": 2}).candidates) == 2

    def test_the_cache(self, client):
        """What was sent before is read from the cache, from 1,024 tokens on."""
        first, second = (
            client.models.generate_content(model=MODEL, contents=LONG).usage_metadata
            for _ in range(2)
        )
        assert first.cached_content_token_count is None
        assert second.cached_content_token_count >= 1024

    def test_grounding_and_code(self, client):
        """A question with `search` is searched for, one with `run` runs code."""
        search = types.Tool(google_search=types.GoogleSearch())
        found = client.models.generate_content(
            model=MODEL, contents="Please search", config={"tools": [search]}
        )
        assert found.candidates[0].grounding_metadata.web_search_queries == ["Please search"]
        code = types.Tool(code_execution=types.ToolCodeExecution())
        ran = client.models.generate_content(
            model=MODEL, contents="Please run it", config={"tools": [code]}
        )
        assert ran.code_execution_result == "4\n"
        assert ran.usage_metadata.tool_use_prompt_token_count > 0

    def test_counting(self, client):
        """A count is what an answer's usage says of the prompt."""
        tokens = client.models.count_tokens(**ASK).total_tokens
        usage = client.models.generate_content(**ASK).usage_metadata
        assert tokens == usage.prompt_token_count


class TestInteractions:
    def test_stream_is_the_same_answer(self, client, p):
        """The events put together are the whole interaction."""
        ask: dict[str, Any] = {"model": MODEL, "input": "Hello there"}
        whole = client.interactions.create(**ask)
        p.reset()
        events = list(client.interactions.create(**ask, stream=True))
        assert events[-1].interaction.usage.total_tokens == whole.usage.total_tokens
        assert events[-1].interaction.id == whole.id
        pieces = [e.delta.text for e in events if e.event_type == "step.delta"]
        assert "".join(pieces) == whole.output_text

    def test_in_the_background(self, client):
        """It is completed after two looks, and can be cancelled before."""
        begun = client.interactions.create(model=MODEL, input="Hello", background=True)
        states = [client.interactions.get(begun.id).status for _ in range(2)]
        assert [begun.status, *states] == ["in_progress", "in_progress", "completed"]
        other = client.interactions.create(model=MODEL, input="Hello", background=True)
        assert client.interactions.cancel(other.id).status == "cancelled"


def test_the_bill(client, p):
    """Thoughts and what tools found are on it."""
    config = {"thinking_config": {"include_thoughts": True}}
    usage = client.models.generate_content(**ASK, config=config).usage_metadata
    bill = p.bill[MODEL]
    assert bill.input_tokens == usage.prompt_token_count
    assert bill.output_tokens == usage.candidates_token_count + usage.thoughts_token_count
    assert bill.reasoning_tokens == usage.thoughts_token_count
    client.interactions.create(model=MODEL, input="Hello there")
    assert p.bill[MODEL].answers == 2


STATUS = {
    "rate_limit": 429, "quota": 429, "insufficient_funds": 403, "capacity": 503,
    "server_error": 500, "unavailable": 503, "authentication": 400, "permission": 403,
    "invalid_request": 400, "context_length": 400, "not_found": 404, "content_filter": 400,
}  # fmt: skip


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault in STATUS])
def test_refusals(client, p, fault):
    """Errors have Google's shape."""
    p.enqueue(fault)
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(**ASK)
    assert caught.value.code == STATUS[fault]
    assert caught.value.details["error"]["code"] == STATUS[fault]
    assert caught.value.status == caught.value.details["error"]["status"]


def test_what_there_is_not(client):
    """A request without contents is refused in Google's words."""
    with pytest.raises(errors.ClientError) as caught:
        client._api_client.request("post", f"models/{MODEL}:generateContent", {"x": 1}, None)
    assert caught.value.status == "INVALID_ARGUMENT"
