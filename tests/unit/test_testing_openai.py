"""The local provider answers the openai SDK as OpenAI would."""

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

    def test_completions(self, client):
        """The old completions endpoint answers, plain and streamed."""
        request = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 8}
        plain = client.completions.create(**request)
        streamed = client.completions.create(**request, stream=True)
        assert "".join(c.choices[0].text for c in streamed) == plain.choices[0].text
        assert (plain.usage.prompt_tokens, plain.usage.completion_tokens) == (1, 8)


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


class TestOthers:
    def test_embeddings(self, client):
        """Vectors have length 1, are the same in both encodings, near for shared words."""
        texts = ["the cat sat on the mat", "a cat sat on a mat", "quarterly revenue forecast"]
        made = client.embeddings.create(model="text-embedding-3-small", input=texts)
        as_floats = client.embeddings.create(
            model="text-embedding-3-small", input=texts, encoding_format="float"
        )
        cat, other_cat, revenue = (entry.embedding for entry in made.data)
        assert len(cat) == 1536
        assert _dot(cat, cat) == pytest.approx(1)
        assert _dot(cat, other_cat) > 0.4 > 0.1 > abs(_dot(cat, revenue))
        assert as_floats.data[0].embedding == pytest.approx(cat)
        assert made.usage.prompt_tokens == sum(-(-len(text) // 4) for text in texts)

    def test_embedding_dimensions(self, client):
        """The dimensions asked for are given."""
        made = client.embeddings.create(model="text-embedding-3-large", input="x", dimensions=64)
        assert len(made.data[0].embedding) == 64

    def test_images(self, client):
        """Images have data and usage by quality; a stream ends with the completed image."""
        made = client.images.generate(model="gpt-image-1", prompt="a cat", n=2, quality="low")
        assert (len(made.data), made.usage.output_tokens) == (2, 544)
        events = client.images.generate(
            model="gpt-image-1", prompt="a cat", stream=True, partial_images=1
        )
        assert [event.type for event in events] == [
            "image_generation.partial_image",
            "image_generation.completed",
        ]
        edited = client.images.edit(model="gpt-image-1", prompt="a dog", image=b"png")
        assert edited.usage.input_tokens_details.image_tokens == 85
        assert client.images.generate(model="dall-e-3", prompt="x").data[0].url

    def test_speech(self, client):
        """Speech is bytes that depend on the text, whole or streamed."""
        request = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello you there"}
        whole = client.audio.speech.create(**request).content
        with client.audio.speech.with_streaming_response.create(**request) as response:
            assert b"".join(response.iter_bytes()) == whole
        assert len(whole) >= 1024

    def test_transcription(self, client):
        """Whisper is billed by the second, the others by tokens; every format is served."""
        audio = ("a.wav", b"\x00" * 64_000)
        transcribe = client.audio.transcriptions.create
        assert transcribe(model="whisper-1", file=audio).usage.seconds == 2
        assert transcribe(model="gpt-4o-transcribe", file=audio).usage.input_tokens == 20
        text = transcribe(model="whisper-1", file=audio, response_format="text")
        verbose = transcribe(model="whisper-1", file=audio, response_format="verbose_json")
        assert (verbose.text, verbose.duration) == (text.strip(), 2)
        events = list(transcribe(model="gpt-4o-transcribe", file=audio, stream=True))
        assert (events[-1].text, events[-1].usage.output_tokens) == (text.strip(), 16)

    def test_moderation(self, client):
        """A text with a bad word is flagged in its category."""
        bad, good = client.moderations.create(input=["I will kill it", "Hello"]).results
        assert (bad.flagged, bad.categories.violence, good.flagged) == (True, True, False)

    def test_models(self, client):
        """Models are listed and retrieved; an unknown one is not found."""
        assert "gpt-4o" in {model.id for model in client.models.list()}
        assert client.models.retrieve("gpt-4o").id == "gpt-4o"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("none")

    def test_batch_of_an_uploaded_file(self, client):
        """A batch answers each line of its file; its usage is that of the answers."""
        body = {"model": "gpt-4o", "messages": MESSAGES}
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
        content = "\n".join([json.dumps(line)] * 2).encode()
        uploaded = client.files.create(file=("in.jsonl", content), purpose="batch")
        batch = client.batches.create(
            input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        seen = [batch.status]
        while seen[-1] != "completed":
            batch = client.batches.retrieve(batch.id)
            seen.append(batch.status)
        answers = [
            json.loads(answered)["response"]["body"]
            for answered in client.files.content(batch.output_file_id).text.splitlines()
        ]
        assert seen == ["validating", "in_progress", "completed"]
        assert batch.request_counts.completed == len(answers) == 2
        assert batch.usage.total_tokens == sum(a["usage"]["total_tokens"] for a in answers)

    def test_batch_of_an_unknown_file(self, client):
        """A batch whose file was never uploaded can be cancelled, and completes with a usage."""
        request = {"input_file_id": "file-1", "endpoint": "/v1/responses"}
        cancelled = client.batches.create(**request, completion_window="24h")
        assert client.batches.cancel(cancelled.id).status == "cancelling"
        batch = client.batches.create(**request, completion_window="24h")
        client.batches.retrieve(batch.id)
        assert client.batches.retrieve(batch.id).usage.total_tokens == 450

    def test_unknown_endpoint(self, client):
        """An unknown address is a 404, a wrong method a 405."""
        with pytest.raises(openai.NotFoundError):
            client.post("/nothing", cast_to=object)
        with pytest.raises(openai.APIStatusError, match="405"):
            client.get("/chat/completions", cast_to=object)


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


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b))
