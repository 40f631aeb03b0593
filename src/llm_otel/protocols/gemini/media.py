"""Embeddings, pictures and videos: `:batchEmbedContents`, `:embedContent`, `:predict`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.candidates import parsed
from llm_otel.protocols.gemini.common import Google, error_in
from llm_otel.protocols.gemini.requests import EMBEDDINGS_ATTRIBUTES, IMAGE_ATTRIBUTES
from llm_otel.protocols.gemini.usage import reported_usage, service_tier
from llm_otel.protocols.spec import Endpoint
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

_METADATA = '"usageMetadata":'


class Embeddings(Google):
    """Vectors, and in newer answers a usage beside them."""

    attributes = EMBEDDINGS_ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """The usage, where there is one. Of a text nothing else is parsed: vectors are long."""
        body = read.fields(_without_vectors(node) if type(node) is str else node)
        metadata = body.get("usageMetadata")
        result = Answer(
            usage=reported_usage(metadata, endpoint, video_apart=True),
            service_tier=service_tier(metadata),
        )
        result.error = error_in(body, dialect)
        return result


def _without_vectors(body: str) -> object:
    """The usage in the JSON text of embeddings; the whole where that is short."""
    if len(body) < _SHORT:
        return parsed(body)
    at = body.find(_METADATA)
    if at < 0:
        return None
    try:
        usage, _ = json.JSONDecoder().raw_decode(body[at + len(_METADATA) :].lstrip())
    except ValueError:
        return None
    return {"usageMetadata": usage}


# Characters of an answer that is parsed as a whole.
_SHORT = 4096


class Predictions(Google):
    """Embeddings of Vertex AI, each with the number of its tokens."""

    attributes = EMBEDDINGS_ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """The sum of the tokens; unknown where one of the predictions does not tell."""
        body = read.fields(parsed(node))
        ways = (("embeddings", "statistics", "token_count"), ("structValue", "token_count"))
        counts = [
            max(read.count(read.path(each, way)) for way in ways)
            for each in read.items(body, "predictions")
        ]
        result = Answer()
        if counts and any(counts):
            result.usage = Usage(sum(counts), partial=not all(counts))
        result.error = error_in(body, dialect)
        return result


class Images(Google):
    """Pictures of Imagen, which are billed each."""

    attributes = IMAGE_ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """How many pictures there are, and whether a filter withheld some."""
        body = read.fields(parsed(node))
        predictions = read.items(body, "predictions")
        pictures = [each for each in predictions if any(read.get(each, key) for key in _PICTURES)]
        result = Answer()
        if pictures:
            result.usage = Usage(images=len(pictures))
            result.finish_reasons = ["stop"] * len(pictures)
        elif any(read.get(each, "raiFilteredReason") is not None for each in predictions):
            result.finish_reasons = [semconv.CONTENT_FILTER]
        result.error = error_in(body, dialect)
        return result

    def request_content(self, body: object) -> Content:
        """The prompts."""
        from llm_otel.content.model import Content, message, text_part

        prompts = [read.text(each, "prompt") for each in read.items(body, "instances")]
        return Content(inputs=[message("user", [text_part(each)]) for each in prompts if each])

    def response_content(self, response: object) -> list[Message]:
        """The pictures, which are left out, and where they were stored."""
        from llm_otel.content.media import media_part
        from llm_otel.content.model import output_message

        parts = [
            media_part(
                read.get(each, "gcsUri") or read.get(each, "bytesBase64Encoded"),
                "image",
                read.text(each, "mimeType"),
            )
            for each in read.items(parsed(response), "predictions")
            if any(read.get(each, key) for key in _PICTURES)
        ]
        return [output_message(parts, "stop")] if parts else []


_PICTURES = ("bytesBase64Encoded", "gcsUri")


class Videos(Google):
    """The operation that makes a video: it tells no usage."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """The operation's name."""
        body = read.fields(parsed(node))
        result = Answer(read.string(body.get("name")))
        result.error = error_in(body, dialect)
        return result

    request_content = Images.request_content
