"""What is no text: embeddings, images, ranks, and work whose result goes to a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors, requests
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.bedrock.common import Bedrock
from llm_otel.protocols.requests import Attributes, inner, strings
from llm_otel.protocols.spec import Endpoint, Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

_FILTERED = "filter"

_OF_EMBEDDINGS: Attributes = {
    "dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "output_dimension": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "embeddingConfig": (
        (semconv.EMBEDDINGS_DIMENSION_COUNT, inner("outputEmbeddingLength", read.integer)),
    ),
    "singleEmbeddingParams": (
        (semconv.EMBEDDINGS_DIMENSION_COUNT, inner("embeddingDimension", read.integer)),
    ),
    "embeddingTypes": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
    "embedding_types": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
}
_OF_IMAGES: Attributes = {
    "seed": ((semconv.REQUEST_SEED, read.integer),),
    "imageGenerationConfig": (
        (semconv.REQUEST_SEED, inner("seed", read.integer)),
        (semconv.REQUEST_CHOICE_COUNT, inner("numberOfImages", read.integer)),
    ),
}


class Embeddings(Protocol):
    """Vectors; Titan counts the input in the body, the others in headers."""

    attributes = _OF_EMBEDDINGS

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """See `Protocol`."""
        used = read.count(read.get(node, "inputTextTokenCount"))
        return Answer(
            read.string(read.get(node, "id")), usage=Usage(input_tokens=used) if used else None
        )


class Images(Protocol):
    """Pictures, which are billed each, by their size."""

    attributes = _OF_IMAGES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """See `Protocol`."""
        body = read.fields(node)
        images = read.items(body, "images") or read.items(body, "artifacts")
        result = Answer(usage=Usage(images=len(images)) if images else None)
        reasons = [_reason(each) for each in read.items(body, "finish_reasons")]
        result.finish_reasons = reasons or ["stop"] * len(images)
        message = read.text(body, "error")
        if message is not None and _FILTERED in message.lower():
            result.error = BodyError("content_filter", semconv.CONTENT_FILTER)
        elif message is not None:
            result.error = errors.in_body(body, dialect)
        return result

    def request_content(self, body: object) -> Content:
        """The prompt."""
        from llm_otel.content.model import Content, message, text_part

        prompts = [text for way in _PROMPTS if (text := read.text(read.path(body, way), "text"))]
        prompts += [text for text in (read.text(body, "prompt"),) if text]
        prompts += [
            text for each in read.items(body, "text_prompts") if (text := read.text(each, "text"))
        ]
        return Content(inputs=[message("user", [text_part(each) for each in prompts])])

    def response_content(self, response: object) -> list[Message]:
        """A mark for each picture."""
        from llm_otel.content.media import media_part
        from llm_otel.content.model import output_message

        artifacts = [read.get(each, "base64") for each in read.items(response, "artifacts")]
        images = read.items(response, "images") or artifacts
        return [output_message([media_part(each, "image")], "stop") for each in images]


# https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html
_PROMPTS = tuple(
    (name,)
    for name in (
        "textToImageParams", "inPaintingParams", "outPaintingParams", "imageVariationParams",
        "colorGuidedGenerationParams",
    )
)  # fmt: skip


def _reason(value: object) -> str:
    """Stability's: null for a picture that was made, else which filter took it."""
    reason = read.string(value)
    return "stop" if reason is None or reason.lower() == "success" else "content_filter"


class Rerank(Bedrock):
    """The rank of documents; nobody tells the units that are billed."""

    def model(self, request: Request) -> str | None:
        """See `Protocol`."""
        model_arn = read.path(request.body, _RANKER)
        return super().model(request) if model_arn is None else read.string(model_arn)


_RANKER = (
    "rerankingConfiguration", "bedrockRerankingConfiguration", "modelConfiguration", "modelArn",
)  # fmt: skip


class Started(Bedrock):
    """Work whose result goes to a bucket: what it used is in no answer."""

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """See `Protocol`."""
        modelled = read.fields(body.get("modelInput"))
        return requests.read_attributes(modelled, _OF_IMAGES)

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """See `Protocol`."""
        return Answer(read.string(read.get(node, "invocationArn")))
