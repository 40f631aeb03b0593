"""The local provider answers embeddings, media, moderations, models and batches as OpenAI would."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from llm_otel.testing import Provider, provider

MESSAGES = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def p() -> Iterator[Provider]:
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made


class TestEndpoints:
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

    @pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
    def test_embedding_of_tokens(self, client, tokens):
        """Token ids are taken instead of text."""
        made = client.embeddings.create(model="text-embedding-3-small", input=tokens)
        assert len(made.data) == (2 if isinstance(tokens[0], list) else 1)

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
        with client.audio.speech.with_streaming_response.create(
            **request, stream_format="sse"
        ) as response:
            last = [line for line in response.iter_lines() if line][-1]
        assert json.loads(last.removeprefix("data: "))["usage"]["input_tokens"] == 4

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

    def test_list_of_batches(self, client):
        """Batches are listed, the newest first, in one page."""
        request = {"input_file_id": "file-elsewhere", "endpoint": "/v1/chat/completions"}
        made = [client.batches.create(**request, completion_window="24h").id for _ in range(3)]
        listed = [batch.id for batch in client.batches.list()]
        assert listed[:3] == made[::-1], listed

    def test_unknown_endpoint(self, client):
        """An unknown address is a 404, a wrong method a 405."""
        with pytest.raises(openai.NotFoundError):
            client.post("/nothing", cast_to=object)
        with pytest.raises(openai.APIStatusError, match="405"):
            client.get("/chat/completions", cast_to=object)


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b))
