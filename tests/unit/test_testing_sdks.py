"""The local provider answers Azure, Groq and Together clients in their own ways."""

from __future__ import annotations

import asyncio

import groq
import openai
import pytest
import together

from llm_otel.testing import provider

MESSAGES = [{"role": "user", "content": "Hello there"}]

TOGETHER_REQUEST = {
    "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "messages": MESSAGES,
}


@pytest.fixture
def p():
    with provider() as serving:
        yield serving


class TestAzure:
    @pytest.fixture
    def client(self, p):
        with openai.AzureOpenAI(
            azure_endpoint=p.origin, api_key="test", api_version="2024-10-21"
        ) as made:
            yield made

    def test_plain(self, client, p):
        """A deployment's path is served; the answer carries filter results and Azure's header."""
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
        assert p.requests[0].path == "/openai/deployments/gpt-4o/chat/completions"
        assert p.requests[0].target.endswith("?api-version=2024-10-21")
        assert p.requests[0].route == "/v1/chat/completions"
        assert raw.headers["apim-request-id"]
        assert raw.parse().model_extra["prompt_filter_results"][0]["prompt_index"] == 0

    def test_stream(self, client):
        """A stream starts with a chunk of filter results that has no choices."""
        first, second, *_ = client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True
        )
        assert (first.choices, first.model) == ([], "")
        assert second.choices[0].delta.role == "assistant"

    def test_deployment_is_the_model(self, client):
        """A body without a model is answered for the deployment."""
        answer = client.post(
            "/deployments/gpt-4o/chat/completions",
            cast_to=object,
            body={"messages": MESSAGES},
        )
        assert answer["model"] == "gpt-4o-2024-08-06"

    def test_v1_path(self, p):
        """Azure's newer `/openai/v1` path is served like OpenAI's."""
        with openai.OpenAI(base_url=p.origin + "/openai/v1", api_key="test") as client:
            answer = client.responses.create(model="gpt-4o", input="Hello")
        assert (answer.status, p.requests[0].route) == ("completed", "/v1/responses")


class TestGroq:
    def test_plain_and_stream(self, p):
        """A stream's usage comes in `x_groq` of its last chunk, as much as the plain answer's."""
        with groq.Groq(base_url=p.origin, api_key="test") as client:
            request = {"model": "llama-3.1-8b-instant", "messages": MESSAGES}
            plain = client.chat.completions.create(**request)
            chunks = list(client.chat.completions.create(**request, stream=True))
        assert p.requests[0].path == "/openai/v1/chat/completions"
        assert chunks[-1].x_groq.usage == plain.usage
        assert chunks[0].x_groq.id == chunks[-1].x_groq.id
        assert plain.x_groq.id.startswith("req_")

    def test_others(self, p):
        """Embeddings, speech and transcription are served."""
        with groq.Groq(base_url=p.origin, api_key="test") as client:
            made = client.embeddings.create(model="nomic-embed-text-v1.5", input="Hello")
            spoken = client.audio.speech.create(model="playai-tts", voice="a", input="Hello")
            heard = client.audio.transcriptions.create(
                model="whisper-large-v3", file=("a.wav", spoken.read())
            )
        assert (made.usage.prompt_tokens, bool(heard.text)) == (2, True)

    def test_async(self, p):
        """The async client streams."""

        async def stream():
            async with groq.AsyncGroq(base_url=p.origin, api_key="test") as client:
                chunks = await client.chat.completions.create(
                    model="llama-3.1-8b-instant", messages=MESSAGES, stream=True
                )
                return [chunk async for chunk in chunks]

        assert asyncio.run(stream())[-1].x_groq.usage.prompt_tokens == 10

    def test_error(self, p):
        """A refusal raises the SDK's own error."""
        p.enqueue("authentication")
        with (
            groq.Groq(base_url=p.origin, api_key="test") as client,
            pytest.raises(groq.AuthenticationError),
        ):
            client.chat.completions.create(model="llama-3.1-8b-instant", messages=MESSAGES)


class TestTogether:
    def test_plain_and_stream(self, p):
        """A stream's usage comes unasked for on its last chunk."""
        with together.Together(base_url=p.origin, api_key="test") as client:
            plain = client.chat.completions.create(**TOGETHER_REQUEST)
            *chunks, last = client.chat.completions.create(**TOGETHER_REQUEST, stream=True)
        assert last.usage.total_tokens == plain.usage.total_tokens
        assert last.choices[0].finish_reason == "stop"
        assert not any(chunk.usage for chunk in chunks)

    def test_rerank(self, p):
        """Documents are ranked by the words they share with the query."""
        with together.Together(base_url=p.origin, api_key="test") as client:
            ranked = client.rerank.create(
                model="Salesforce/Llama-Rank-v1",
                query="cat food",
                documents=["a house", "food for a cat", "a cat"],
                top_n=2,
            )
        assert [result.index for result in ranked.results] == [1, 2]

    def test_async(self, p):
        """The async client gets answers and images."""

        async def ask():
            async with together.AsyncTogether(base_url=p.origin, api_key="test") as client:
                answer = await client.chat.completions.create(**TOGETHER_REQUEST)
                image = await client.images.generate(model="flux", prompt="a cat")
                return answer, image

        answer, image = asyncio.run(ask())
        assert answer.choices[0].message.content
        assert image.data[0].b64_json
