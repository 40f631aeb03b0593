"""The local provider answers the SDKs of Cohere and Ollama as these would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cohere
import ollama
import pytest

from llm_otel.testing import FAULTS, Bill, Provider, provider
from llm_otel.testing.provider.openai_protocol import REFUSALS

MODEL = "command-a-03-2025"
MESSAGES: list[Any] = [{"role": "user", "content": "Hello there"}]
ASK: dict[str, Any] = {"model": MODEL, "messages": MESSAGES}
STATUSES = {
    "rate_limit": 429, "quota": 429, "insufficient_funds": 402, "capacity": 503,
    "server_error": 500, "unavailable": 503, "authentication": 401, "permission": 403,
    "invalid_request": 400, "context_length": 400, "not_found": 404, "content_filter": 400,
}  # fmt: skip


@pytest.fixture
def p() -> Iterator[Provider]:
    with provider() as serving:
        yield serving


@pytest.fixture
def v2(p: Provider) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key="test", base_url=p.origin, max_retries=0) as made:
        yield made


@pytest.fixture
def v1(p: Provider) -> Iterator[cohere.Client]:
    with cohere.Client(api_key="test", base_url=p.origin, max_retries=0) as made:
        yield made


@pytest.fixture
def local(p: Provider) -> Iterator[ollama.Client]:
    made = ollama.Client(host=p.origin)
    yield made
    made.close()


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def test_cohere_streams_what_it_answers(p: Provider, v2: Any) -> None:
    """The pieces of a stream are the text of the whole answer; the bill has both."""
    whole = v2.chat(**ASK)
    events = list(v2.chat_stream(**ASK))
    texts = [each.delta.message.content.text for each in events if each.type == "content-delta"]
    assert "".join(texts) == whole.message.content[0].text
    assert [events[0].type, events[-1].type] == ["message-start", "message-end"]
    assert events[-1].delta.usage.billed_units == whole.usage.billed_units
    assert whole.usage.tokens.input_tokens > whole.usage.billed_units.input_tokens
    tokens = int(whole.usage.billed_units.output_tokens)
    assert p.bill[MODEL] == Bill(
        answers=2,
        input_tokens=2 * int(whole.usage.billed_units.input_tokens),
        output_tokens=2 * tokens,
    )


def test_cohere_calls_tools(v1: Any, v2: Any) -> None:
    """A question that names a tool is answered by a call of it, in both versions."""
    question = [{"role": "user", "content": "Use get_weather"}]
    whole = v2.chat(model=MODEL, messages=question, tools=[TOOL])
    assert whole.finish_reason == "TOOL_CALL"
    assert whole.message.tool_calls[0].function.name == "get_weather"
    events = list(v2.chat_stream(model=MODEL, messages=question, tools=[TOOL]))
    assert "tool-call-start" in [each.type for each in events]
    old = {"name": "get_weather", "description": "", "parameter_definitions": {}}
    answered = v1.chat(model=MODEL, message="Use get_weather", tools=[old])
    assert answered.tool_calls[0].name == "get_weather"


def test_cohere_thinks(v2: Any) -> None:
    """Thoughts come before the text, where they are asked for."""
    answered = v2.chat(**ASK, thinking={"type": "enabled"})
    assert [each.type for each in answered.message.content] == ["thinking", "text"]


def test_cohere_reranks_by_words(v2: Any) -> None:
    """The document that shares words with the query comes first."""
    documents = ["Carrots are roots.", "Rivers flow to the sea."]
    answered = v2.rerank(model="rerank-v3.5", query="Where do rivers flow?", documents=documents)
    assert answered.results[0].index == 1
    assert answered.meta.billed_units.search_units == 1


def test_another_rerank_is_as_before(p: Provider) -> None:
    """Whoever is no SDK of Cohere's gets the other shape at the path that both have."""
    import httpx

    body = {"model": "m", "query": "a", "documents": ["a"]}
    answered = httpx.post(f"{p.url}/rerank", json=body).json()
    assert answered["usage"]["prompt_tokens"] == 2


def test_ollama_streams_what_it_answers(p: Provider, local: Any) -> None:
    """The same for Ollama, whose last object has the counts."""
    whole = local.chat(**ASK)
    pieces = list(local.chat(**ASK, stream=True))
    assert "".join(each.message.content for each in pieces) == whole.message.content
    assert [each.done for each in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].eval_count == whole.eval_count
    assert p.bill[MODEL].output_tokens == 2 * whole.eval_count


def test_ollama_calls_tools_and_thinks(local: Any) -> None:
    """Tools, thoughts and JSON, where they are asked for."""
    question = [{"role": "user", "content": "Use get_weather"}]
    answered = local.chat(model=MODEL, messages=question, tools=[TOOL])
    assert answered.message.tool_calls[0].function.name == "get_weather"
    assert local.generate(model=MODEL, prompt="Hello", think=True).thinking
    assert local.generate(model=MODEL, prompt="Hello", format="json").response[0] == "{"


@pytest.mark.parametrize("fault", REFUSALS)
def test_refusals(p: Provider, v1: Any, v2: Any, local: Any, fault: str) -> None:
    """Every refusal is an error of the SDK's own with its status."""
    for ask in (
        lambda: v1.chat(model=MODEL, message="Hello"),
        lambda: v2.chat(**ASK),
        lambda: list(v2.chat_stream(**ASK)),
        lambda: local.chat(**ASK),
        lambda: list(local.chat(**ASK, stream=True)),
    ):
        p.enqueue(fault)
        with pytest.raises((cohere.core.api_error.ApiError, ollama.ResponseError)) as caught:
            ask()
        assert caught.value.status_code == STATUSES[fault]
    assert set(STATUSES) <= set(FAULTS)
