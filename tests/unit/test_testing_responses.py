"""The local provider answers the Responses API as OpenAI would."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pydantic
import pytest

from llm_otel.testing import Provider, provider

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "get_weather", "parameters": PARAMETERS}


class Step(pydantic.BaseModel):
    """One step; steps may hold steps."""

    text: str
    number: int
    more: list[Step] | None = None


class Plan(pydantic.BaseModel):
    """A structured answer with a recursive part."""

    steps: list[Step]
    done: bool


@pytest.fixture
def p() -> Iterator[Provider]:
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made


class TestResponses:
    def test_plain(self, client):
        """A response has text and usage that adds up."""
        answer = client.responses.create(model="gpt-4o", input="Hello")
        assert answer.status == "completed"
        assert answer.usage.output_tokens == -(-len(answer.output_text) // 4)
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens

    def test_streamed_events(self, client):
        """A stream has OpenAI's events in its order, numbered without gaps."""
        events = list(client.responses.create(model="gpt-5", input="Hello", stream=True))
        kinds = [event.type for event in events]
        assert list(dict.fromkeys(kinds)) == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.output_item.done",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.completed",
        ]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].response.usage.output_tokens_details.reasoning_tokens > 0

    def test_stream_helper(self, client):
        """The stream helper ends with the response that a plain call gets."""
        with client.responses.stream(model="gpt-4o", input="Hello") as stream:
            streamed = stream.get_final_response()
        plain = client.responses.create(model="gpt-4o", input="Hello")
        assert streamed.output_text == plain.output_text

    def test_tools(self, client):
        """A function is called, plain and streamed, with arguments that fit."""
        request = {"model": "gpt-4o", "input": "get_weather!", "tools": [TOOL]}
        plain = client.responses.create(**request)
        with client.responses.stream(**request) as stream:
            streamed = stream.get_final_response()
        for answer in (plain, streamed):
            assert json.loads(answer.output[0].arguments) == {"city": "text", "days": 3}

    def test_web_search(self, client):
        """A hosted search is one output item and one request in `tool_usage`."""
        answer = client.responses.create(
            model="gpt-4o", input="Search for it", tools=[{"type": "web_search"}]
        )
        with client.responses.stream(
            model="gpt-4o", input="Search for it", tools=[{"type": "web_search"}]
        ) as stream:
            assert "response.web_search_call.completed" in [event.type for event in stream]
        assert [item.type for item in answer.output] == ["web_search_call", "message"]
        assert answer.tool_usage.web_search.num_requests == 1

    def test_parse(self, client):
        """A structured response fits its schema."""
        answer = client.responses.parse(model="gpt-4o", input="Hello", text_format=Plan)
        assert answer.output_parsed.done is True

    def test_incomplete(self, client):
        """A response that is cut off is incomplete and has its usage, plain and streamed."""
        request = {"model": "gpt-4o", "input": "Hello", "max_output_tokens": 3}
        plain = client.responses.create(**request)
        last = list(client.responses.create(**request, stream=True))[-1]
        assert last.type == "response.incomplete"
        for answer in (plain, last.response):
            assert answer.incomplete_details.reason == "max_output_tokens"
            assert answer.usage.output_tokens == 3

    @pytest.mark.parametrize(
        ("polls", "expected"),
        [(1, ["queued", "completed"]), (3, ["queued", "in_progress", "in_progress", "completed"])],
    )
    def test_background(self, client, polls, expected):
        """A background response is completed, with usage, at the n-th retrieval."""
        with provider(polls=polls) as p:
            elsewhere = client.with_options(base_url=p.url)
            seen = [elsewhere.responses.create(model="gpt-4o", input="x", background=True)]
            while seen[-1].status != "completed":
                assert seen[-1].usage is None
                seen.append(elsewhere.responses.retrieve(seen[0].id))
        assert [answer.status for answer in seen] == expected
        assert seen[-1].usage.output_tokens > 0

    def test_retrieved_as_a_stream(self, client):
        """A stored response can be retrieved as a stream; one that was not stored is not found."""
        stored = client.responses.create(model="gpt-4o", input=[{"role": "user", "content": "x"}])
        events = list(client.responses.retrieve(stored.id, stream=True))
        assert events[-1].response.output_text == stored.output_text
        lost = client.responses.create(model="gpt-4o", input="x", store=False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(lost.id)

    def test_cancel(self, client):
        """A cancelled response stays cancelled; one that ran in the foreground cannot be."""
        waiting = client.responses.create(model="gpt-4o", input="x", background=True)
        assert client.responses.cancel(waiting.id).status == "cancelled"
        assert client.responses.retrieve(waiting.id).status == "cancelled"
        done = client.responses.create(model="gpt-4o", input="x")
        with pytest.raises(openai.BadRequestError, match="synchronous"):
            client.responses.cancel(done.id)

    def test_conversation(self, client):
        """A previous response counts into the input; an unknown one is refused."""
        first = client.responses.create(model="gpt-4o", input="Hello")
        second = client.responses.create(
            model="gpt-4o", input="Hello", previous_response_id=first.id
        )
        assert second.usage.input_tokens > first.usage.total_tokens
        client.responses.delete(first.id)
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model="gpt-4o", input="x", previous_response_id=first.id)
