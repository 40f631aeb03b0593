"""The local provider answers chat and text completions as OpenAI would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import openai
import pydantic
import pytest

from llm_otel.testing import Provider, provider

MESSAGES = [{"role": "user", "content": "Hello there"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


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


class TestChat:
    def test_plain(self, client):
        """A plain answer has text, usage that adds up, the dated model and a finish reason."""
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        usage = answer.usage
        assert answer.choices[0].finish_reason == "stop"
        assert usage.completion_tokens == -(-len(answer.choices[0].message.content) // 4)
        assert (usage.prompt_tokens, usage.total_tokens) == (10, 10 + usage.completion_tokens)
        assert (answer.model, answer.service_tier) == ("gpt-4o-2024-08-06", "default")
        assert answer.system_fingerprint.startswith("fp_")

    def test_deterministic(self, client, p):
        """After a reset the same request gets the very same bytes."""
        bodies = []
        for _ in range(2):
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o", messages=MESSAGES
            )
            bodies.append(raw.content)
            p.reset()
        assert bodies[0] == bodies[1]

    def test_seed_changes_the_answer(self, client, p):
        """Another seed gives another text."""
        with provider(seed=1) as other:
            elsewhere = client.with_options(base_url=other.url)
            texts = {
                c.chat.completions.create(model="gpt-4o", messages=MESSAGES)
                .choices[0]
                .message.content
                for c in (client, elsewhere)
            }
        assert len(texts) == 2

    def test_stream_is_the_plain_answer(self, client):
        """The chunks of a stream put together are the plain answer; none has a usage key."""
        plain = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        chunks = list(
            client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == plain.choices[0].message.content
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == [
            "stop"
        ]
        assert not any("usage" in chunk.model_fields_set for chunk in chunks)

    def test_include_usage(self, client):
        """With include_usage the last chunk has no choices and the usage, all others usage null."""
        *chunks, last = client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
        plain = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        assert (last.choices, last.usage) == ([], plain.usage)
        assert all("usage" in c.model_fields_set and c.usage is None for c in chunks)

    def test_choices(self, client):
        """`n` gives as many different choices, and usage over all of them."""
        one = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        three = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, n=3)
        assert [choice.index for choice in three.choices] == [0, 1, 2]
        assert len({choice.message.content for choice in three.choices}) == 3
        assert three.usage.completion_tokens > one.usage.completion_tokens

    @pytest.mark.parametrize(
        ("content", "choice"),
        [
            ("Hello", "required"),
            ("Hello", {"type": "function", "function": {"name": "get_weather"}}),
            ("please use get_weather", "auto"),
            ("use a tool", "auto"),
        ],
    )
    def test_tool_calls(self, client, content, choice):
        """A tool is called when the choice or the prompt asks for it, with arguments that fit."""
        answer = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": content}],
            tools=[CHAT_TOOL],
            tool_choice=choice,
        )
        (call,) = answer.choices[0].message.tool_calls
        assert answer.choices[0].finish_reason == "tool_calls"
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "text", "days": 3}

    def test_no_tool_without_being_asked(self, client):
        """An offered tool alone, or a tool's result, is answered with text."""
        result = {"role": "tool", "tool_call_id": "call_1", "content": "get_weather said sunny"}
        for messages in (MESSAGES, [*MESSAGES, result]):
            answer = client.chat.completions.create(
                model="gpt-4o", messages=messages, tools=[CHAT_TOOL]
            )
            assert answer.choices[0].message.tool_calls is None

    def test_stream_helper_with_tools(self, client):
        """The stream helper puts the pieces of a tool call together."""
        with client.chat.completions.stream(
            model="gpt-4o", messages=MESSAGES, tools=[CHAT_TOOL], tool_choice="required"
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        assert json.loads(message.tool_calls[0].function.arguments)["days"] == 3

    def test_parse(self, client):
        """A structured answer fits its schema, also a recursive one."""
        answer = client.chat.completions.parse(
            model="gpt-4o", messages=MESSAGES, response_format=Plan
        )
        assert answer.choices[0].message.parsed.steps[0].number == 1

    def test_json_object(self, client):
        """Response format `json_object` gives a JSON object."""
        answer = client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, response_format={"type": "json_object"}
        )
        assert "answer" in json.loads(answer.choices[0].message.content)

    def test_max_tokens(self, client):
        """An answer that is cut off says `length` and uses all it was given."""
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=2)
        assert answer.choices[0].finish_reason == "length"
        assert (len(answer.choices[0].message.content), answer.usage.completion_tokens) == (8, 2)

    @pytest.mark.parametrize(
        ("model", "effort", "reasons"),
        [
            ("gpt-5", "medium", True),
            ("o3-mini", "high", True),
            ("openai/gpt-5-mini", "low", True),
            ("gpt-5", "minimal", False),
            ("gpt-4o", "high", False),
        ],
    )
    def test_reasoning(self, client, model, effort, reasons):
        """Reasoning models have reasoning tokens, which are part of the output."""
        usage = client.chat.completions.create(
            model=model, messages=MESSAGES, reasoning_effort=effort
        ).usage
        assert bool(usage.completion_tokens_details.reasoning_tokens) == reasons
        assert usage.completion_tokens > usage.completion_tokens_details.reasoning_tokens

    def test_prompt_cache(self, client):
        """A prefix of 1,024 tokens or more is cached from the second time on, for its model."""
        start = "word " * 1000
        cached = []
        for model, end in (("gpt-4o", "a"), ("gpt-4o", "b"), ("gpt-4.1", "c")):
            messages = [{"role": "user", "content": start + end}]
            usage = client.chat.completions.create(model=model, messages=messages).usage
            cached.append(usage.prompt_tokens_details.cached_tokens)
        assert cached == [0, 1152, 0]

    def test_service_tier_is_echoed(self, client):
        """The tier that was asked for is the tier served."""
        answer = client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, service_tier="flex"
        )
        assert answer.service_tier == "flex"

    @pytest.mark.parametrize("answer", ["All good.", lambda body: body["messages"][0]["role"]])
    def test_given_answer(self, client, answer):
        """The setting `answer` is the text, or makes it from the request."""
        with provider(answer=answer) as p:
            elsewhere = client.with_options(base_url=p.url)
            got = elsewhere.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        assert got.choices[0].message.content in ("All good.", "user")

    @pytest.mark.parametrize(
        "body",
        [
            {"messages": None},
            {"messages": ["x"]},
            {"n": 0},
            {"tool_choice": {"x": 1}},
            {"max_tokens": "many"},
            {"tools": 5},
            {"response_format": {"type": "json_schema"}},
        ],
    )
    def test_wrong_request(self, client, body):
        """A wrong request is refused with a 400."""
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-4o", messages=MESSAGES, extra_body=body)

    def test_images_and_audio_in_the_prompt(self, client):
        """Parts that are no text count into the input, audio also on its own."""
        url = {"type": "image_url", "image_url": {"url": "https://images.example/1.png"}}
        audio = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
        usage = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": [{"type": "text", "text": "Look"}, url, audio]}],
        ).usage
        assert usage.prompt_tokens == 3 + 4 + 1 + 85 + 50
        assert usage.prompt_tokens_details.audio_tokens == 50

    def test_lone_surrogates(self, client):
        """Text that UTF-8 cannot hold is answered."""
        hostile = {"messages": [{"role": "user", "content": "\\ud800"}], "model": "\\ud800"}
        body = json.dumps(hostile).replace("\\\\", "\\").encode()
        headers = {"content-type": "application/json"}
        answer = client.post(
            "/chat/completions", cast_to=object, content=body, options={"headers": headers}
        )
        assert answer["model"] == "\ud800"

    def test_completions(self, client):
        """The old completions endpoint answers, plain and streamed."""
        request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 8}
        plain = client.completions.create(**request)
        streamed = client.completions.create(**request, stream=True)
        assert "".join(c.choices[0].text for c in streamed) == plain.choices[0].text
        assert (plain.usage.prompt_tokens, plain.usage.completion_tokens) == (1, 8)


def test_async_client(p):
    """The async client gets the same answers, many at a time."""

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=p.url, api_key="test") as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
                    for _ in range(21)
                ),
            )
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=MESSAGES, stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return [answer.choices[0].message.content for answer in answers] + ["".join(pieces)]

    texts = asyncio.run(ask())
    assert len(texts) == 22
    assert len(set(texts)) == 1
