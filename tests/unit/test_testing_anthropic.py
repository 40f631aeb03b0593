"""The local provider answers Anthropic's SDK as Anthropic, Vertex AI and Bedrock would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import anthropic
import httpx2
import pytest

from llm_otel.testing import FAULTS, Bill, FakeClock, Provider, RateLimit, provider

MODEL = "claude-sonnet-5"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}
TOOL = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    },
}
LONG = "A long document about nothing at all. " * 200  # 1,900 tokens


@pytest.fixture
def p() -> Iterator[Provider]:
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=p.origin, api_key="test", max_retries=0) as made:
        yield made


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {**ASK, "messages": [{"role": "user", "content": text}], **more}


class TestMessages:
    def test_whole(self, client, p):
        """An answer has text, a usage of four characters a token, and a stop reason."""
        answer = client.messages.create(**ASK)
        text = answer.content[0].text
        assert (answer.model, answer.role, answer.stop_reason) == (MODEL, "assistant", "end_turn")
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, -(-len(text) // 4))
        assert answer.usage.service_tier == "standard"
        assert answer._request_id.startswith("req_")
        assert p.requests[0].headers["anthropic-version"]

    def test_stream_is_the_same_answer(self, client, p):
        """The helper puts the events together to what the whole answer says, after a ping."""
        whole = client.messages.create(**ASK)
        p.reset()
        with client.messages.stream(**ASK) as stream:
            streamed = stream.get_final_message()
        for name in ("id", "model", "stop_reason"):
            assert getattr(streamed, name) == getattr(whole, name)
        assert streamed.content[0].text == whole.content[0].text
        assert streamed.usage.output_tokens == whole.usage.output_tokens

    def test_events(self, client):
        """The events come in Anthropic's order; the first counts one output token for now."""
        events = list(client.messages.create(**asking("Hi", stop_sequences=["zzz"]), stream=True))
        kinds = [event.type for event in events]
        assert kinds[:2] == ["message_start", "content_block_start"]
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
        assert events[0].message.usage.output_tokens == 1
        assert events[-2].usage.output_tokens > 1
        assert events[-2].delta.stop_reason == "end_turn"

    def test_ping(self, p):
        """A ping comes in between, which the SDK passes over."""
        body = {**ASK, "stream": True}
        text = httpx2.post(f"{p.origin}/v1/messages", json=body).text
        assert 'event: ping\ndata: {"type":"ping"}' in text

    def test_tools(self, client):
        """A tool that is named is called with arguments that its schema allows, streamed too."""
        ask = asking("Please use get_weather", tools=[TOOL])
        answer = client.messages.create(**ask)
        (block,) = answer.content
        assert (answer.stop_reason, block.type, block.name) == (
            "tool_use", "tool_use", "get_weather"
        )  # fmt: skip
        assert block.input == {"city": "text", "days": 3}
        with client.messages.stream(**ask) as stream:
            assert stream.get_final_message().content[0].input == block.input
        result = {"type": "tool_result", "tool_use_id": block.id, "content": "get_weather: rain"}
        after = client.messages.create(
            **{
                **ask,
                "messages": [
                    *ask["messages"],
                    {"role": "assistant", "content": answer.content},
                    {"role": "user", "content": [result]},
                ],
            }
        )
        assert after.stop_reason == "end_turn"

    @pytest.mark.parametrize(
        ("choice", "stop"),
        [({"type": "any"}, "tool_use"), ({"type": "none"}, "end_turn"),
         ({"type": "tool", "name": "get_weather"}, "tool_use")],
    )  # fmt: skip
    def test_tool_choice(self, client, choice, stop):
        """A choice forces a call, names one, or forbids it."""
        answer = client.messages.create(**ASK, tools=[TOOL], tool_choice=choice)
        assert answer.stop_reason == stop

    def test_thinking(self, client):
        """Thoughts come first, signed; their tokens are part of the output's."""
        thinking = {"type": "adaptive"}
        answer = client.messages.create(**{**ASK, "max_tokens": 4000}, thinking=thinking)
        thoughts, text = answer.content
        assert (thoughts.type, bool(thoughts.signature), text.type) == ("thinking", True, "text")
        tokens = answer.usage.output_tokens_details.thinking_tokens
        assert answer.usage.output_tokens == tokens + -(-len(text.text) // 4)
        assert tokens >= 64

    def test_limits_of_the_answer(self, client):
        """`max_tokens` and stop sequences end it, and say so."""
        cut = client.messages.create(**{**ASK, "max_tokens": 2})
        assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)
        text = client.messages.create(**ASK).content[0].text
        word = text.split()[3]
        stopped = client.messages.create(**ASK, stop_sequences=[word])
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
        assert stopped.content[0].text == text[: text.index(word)]

    def test_structured(self, client):
        """An answer has the schema that the request asks for."""
        schema = {"type": "object", "properties": {"done": {"type": "boolean"}}}
        config = {"format": {"type": "json_schema", "schema": schema}}
        answer = client.messages.create(**ASK, output_config=config)
        assert json.loads(answer.content[0].text) == {"done": True}

    def test_prompt_cache(self, client):
        """What stands before a mark is written once, by its lifetime, and read after."""
        system = [
            {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}},
        ]
        first, second = (client.messages.create(**ASK, system=system).usage for _ in "12")
        assert first.cache_creation.ephemeral_1h_input_tokens == 1900
        assert first.cache_creation.ephemeral_5m_input_tokens == 1900
        assert (first.cache_creation_input_tokens, first.cache_read_input_tokens) == (3800, 0)
        assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, 3800)
        assert first.input_tokens == second.input_tokens == 10

    def test_server_tools(self, client):
        """Web searches are counted in the usage; code runs on the server without a count."""
        tools = [
            {"type": "web_search_20250305", "name": "web_search"},
            {"type": "code_execution_20250825", "name": "code_execution"},
        ]
        found = client.messages.create(**asking("search for rivers", tools=tools))
        assert [block.type for block in found.content] == [
            "server_tool_use", "web_search_tool_result", "text"
        ]  # fmt: skip
        assert found.usage.server_tool_use.web_search_requests == 1
        ran = client.beta.messages.create(**asking("run 2 + 2", tools=tools))
        assert ran.content[1].content.stdout == "4\n"
        assert ran.usage.server_tool_use is None

    def test_count_tokens(self, client):
        """Counting gives what the answer's usage then says, and bills nothing."""
        ask = {key: ASK[key] for key in ("model", "messages")}
        assert client.messages.count_tokens(**ask).input_tokens == 10

    def test_async(self, p):
        """The asynchronous client streams."""

        async def stream() -> Any:
            async with (
                anthropic.AsyncAnthropic(base_url=p.origin, api_key="test") as client,
                client.messages.stream(**ASK) as events,
            ):
                return await events.get_final_message()

        assert asyncio.run(stream()).stop_reason == "end_turn"

    @pytest.mark.parametrize(
        "body",
        [{"max_tokens": 1, "messages": []}, {"model": "m", "messages": []},
         {"model": "m", "max_tokens": 1}, [1], {"model": "m", "max_tokens": 1, "messages": ["x"]},
         {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": 5}]}],
    )  # fmt: skip
    def test_refused(self, client, body):
        """A body that lacks something is refused in Anthropic's shape."""
        with pytest.raises(anthropic.BadRequestError) as raised:
            client.post("/v1/messages", cast_to=object, body=body)
        assert raised.value.body["type"] == "error"
        assert raised.value.body["error"]["type"] == "invalid_request_error"


class TestClouds:
    @pytest.mark.parametrize("how", ["whole", "stream"])
    def test_vertex(self, p, how):
        """Vertex AI's paths name the model."""
        with anthropic.AnthropicVertex(
            base_url=p.origin + "/v1", region="europe-west1", project_id="x", access_token="x"
        ) as client:
            if how == "whole":
                answer = client.messages.create(**ASK)
            else:
                with client.messages.stream(**ASK) as stream:
                    answer = stream.get_final_message()
            counted = client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
        assert (answer.model, p.requests[0].model) == (MODEL, MODEL)
        assert p.requests[0].path.endswith("awPredict")
        assert answer.usage.output_tokens == p.bill[MODEL].output_tokens
        assert counted.input_tokens == 10

    @pytest.mark.parametrize("how", ["whole", "stream"])
    def test_bedrock(self, p, how):
        """Bedrock's paths name the model; its streams come in frames."""
        model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
        with _bedrock(p) as client:
            ask = {**ASK, "model": model}
            if how == "whole":
                answer = client.messages.create(**ask)
            else:
                with client.messages.stream(**ask) as stream:
                    answer = stream.get_final_message()
        assert (answer.model, answer.stop_reason) == (model, "end_turn")
        assert p.bill[model].answers == 1

    def test_bedrock_stream_that_fails(self, p):
        """An exception in the middle has a frame of its own."""
        p.enqueue("stream_error")
        with _bedrock(p) as client, pytest.raises(anthropic.APIError, match="internalServer"):
            list(client.messages.create(**ASK, stream=True))


def _bedrock(p: Provider) -> anthropic.AnthropicBedrock:
    return anthropic.AnthropicBedrock(
        base_url=p.origin, aws_region="us-east-1", aws_access_key="x", aws_secret_key="x"
    )


class TestBatches:
    REQUESTS = (
        {"custom_id": "a", "params": ASK},
        {"custom_id": "b", "params": {"model": MODEL, "messages": []}},
    )

    def test_to_the_end(self, client):
        """A batch ends after two polls; its results have a line for each request."""
        batches = client.messages.batches
        batch = batches.create(requests=self.REQUESTS)
        states = [batch, *(batches.retrieve(batch.id) for _ in "123")]
        assert [each.processing_status for each in states] == [
            "in_progress", "in_progress", "ended", "ended"
        ]  # fmt: skip
        counts = states[-1].request_counts
        assert (counts.succeeded, counts.errored, counts.processing) == (1, 1, 0)
        one, other = batches.results(batch.id)
        assert (one.custom_id, one.result.message.usage.service_tier) == ("a", "batch")
        assert other.result.error.error.type == "invalid_request_error"
        assert [each.id for each in batches.list()] == [batch.id]
        assert batches.delete(batch.id).type == "message_batch_deleted"
        with pytest.raises(anthropic.NotFoundError):
            batches.retrieve(batch.id)

    def test_cancelled(self, client):
        """A batch that is cancelled ends with nothing answered."""
        batches = client.messages.batches
        batch = batches.create(requests=self.REQUESTS)
        assert batches.cancel(batch.id).processing_status == "canceling"
        ended = [batches.retrieve(batch.id) for _ in "12"][-1]
        assert (ended.processing_status, ended.request_counts.canceled) == ("ended", 2)


# Fault: the SDK's exception and the type in the body.
REFUSED = {
    "rate_limit": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "quota": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "insufficient_funds": (anthropic.APIStatusError, 402, "billing_error"),
    "capacity": (anthropic.APIStatusError, 529, "overloaded_error"),
    "server_error": (anthropic.InternalServerError, 500, "api_error"),
    "unavailable": (anthropic.APIStatusError, 529, "overloaded_error"),
    "authentication": (anthropic.AuthenticationError, 401, "authentication_error"),
    "permission": (anthropic.PermissionDeniedError, 403, "permission_error"),
    "invalid_request": (anthropic.BadRequestError, 400, "invalid_request_error"),
    "context_length": (anthropic.BadRequestError, 400, "invalid_request_error"),
    "not_found": (anthropic.NotFoundError, 404, "not_found_error"),
    "content_filter": (anthropic.BadRequestError, 400, "invalid_request_error"),
}


class TestFaults:
    @pytest.mark.parametrize("fault", [each for each in FAULTS if each in REFUSED])
    @pytest.mark.parametrize("stream", [False, True])
    def test_refusals(self, client, p, fault, stream):
        """Each raises the SDK's own error with Anthropic's type."""
        kind, status, type_ = REFUSED[fault]
        p.enqueue(fault)
        with pytest.raises(kind) as raised:
            client.messages.create(**ASK, stream=stream)
        assert (raised.value.status_code, raised.value.body["error"]["type"]) == (status, type_)

    def test_retry(self, client, p):
        """Overload says when to come back, and the SDK's retry then succeeds."""
        p.enqueue("unavailable")
        assert client.with_options(max_retries=1).messages.create(**ASK).content
        assert len(p.requests) == 2

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [("stream_error", anthropic.APIStatusError), ("disconnect", httpx2.RemoteProtocolError),
         ("malformed_json", json.JSONDecodeError)],
    )  # fmt: skip
    def test_broken_streams(self, client, p, fault, kind):
        """A stream breaks in the middle, and is not on the bill."""
        p.enqueue(fault)
        with pytest.raises(kind):
            list(client.messages.create(**ASK, stream=True))
        assert p.bill == {}

    def test_rate_limit_headers(self):
        """What is left, and when it is full again as a time; enforced, a 429."""
        limit = RateLimit(requests=2, tokens=1000, window=60, enforce=True)
        with (
            provider(rate_limit=limit, clock=FakeClock()) as p,
            anthropic.Anthropic(base_url=p.origin, api_key="test", max_retries=0) as client,
        ):
            before = datetime.now(timezone.utc)
            headers = client.messages.with_raw_response.create(**ASK).headers
            client.messages.create(**ASK)
            with pytest.raises(anthropic.RateLimitError):
                client.messages.create(**ASK)
        assert headers["anthropic-ratelimit-requests-limit"] == "2"
        assert headers["anthropic-ratelimit-requests-remaining"] == "1"
        assert headers["anthropic-ratelimit-input-tokens-limit"] == "1000"
        reset = datetime.fromisoformat(headers["anthropic-ratelimit-tokens-reset"][:-1] + "+00:00")
        assert 58 <= (reset - before).total_seconds() <= 61


def test_bill(client, p):
    """The input on the bill holds what was read from the cache and written to it."""
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    usages = [client.messages.create(**ASK, system=system).usage for _ in "12"]
    assert p.bill == {
        MODEL: Bill(
            answers=2,
            input_tokens=2 * 1910,
            cached_tokens=1900,
            cache_write_tokens=1900,
            output_tokens=sum(usage.output_tokens for usage in usages),
        )
    }
