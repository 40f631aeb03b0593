"""Voyage AI's embeddings of texts, images and videos, and its rerank: all count tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors, usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.requests import Attributes, strings
from llm_otel.protocols.spec import Endpoint, Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# https://docs.voyageai.com/reference/embeddings-api
_ATTRIBUTES: Attributes = {
    "output_dimension": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "output_dtype": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
}
# An image is billed for at least and at most so many pixels, whatever its size.
# https://docs.voyageai.com/docs/pricing
_SMALLEST_IMAGE, _LARGEST_IMAGE = 50_000, 2_000_000


class Voyage(Protocol):
    """An answer names its model and the tokens; it has no id."""

    attributes = _ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole answer tells."""
        body = read.fields(node)
        used = self.usage(body, endpoint)
        error = errors.in_body(body, dialect) if used is None else None
        return Answer(model=read.string(body.get("model")), usage=used, error=error)

    def usage(self, body: Mapping[str, object], endpoint: Endpoint) -> Usage | None:
        """What was used."""
        return usage.usage(body, endpoint)

    def status(self, exc: BaseException) -> int | None:
        """The HTTP status, as the SDK names it."""
        return read.integer(read.get(exc, "http_status"))

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:
        """A timeout has no status, and a name of the SDK's own."""
        if type(exc).__name__ == "Timeout":
            return semconv.TIMEOUT
        return super().error_kind(exc, codes)


class Multimodal(Voyage):
    """Text is billed by the token, images and videos by the pixel."""

    def usage(self, body: Mapping[str, object], endpoint: Endpoint) -> Usage | None:  # noqa: ARG002
        """The tokens of the text, and all pixels: the total also counts these as tokens."""
        counts = body.get("usage")
        tokens, images, videos = (
            read.count(read.get(counts, name))
            for name in ("text_tokens", "image_pixels", "video_pixels")
        )
        if not (tokens or images or videos):
            return None
        return Usage(input_tokens=tokens, image_pixels=images + videos)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """Images that are smaller or larger than what is billed leave the cost unknown."""
        kinds = [
            read.text(part, "type") or ""
            for each in read.items(request.body, "inputs")
            for part in read.items(each, "content")
        ]
        images = sum(kind.startswith("image") for kind in kinds)
        if any(kind.startswith("video") for kind in kinds) or not images:
            return
        if not _SMALLEST_IMAGE * images <= used.image_pixels <= _LARGEST_IMAGE * images:
            used.partial = True


EMBEDDINGS = Endpoint(
    semconv.EMBEDDINGS,
    Voyage(),
    {"total_tokens": "input_tokens"},
    in_tokens=True,
    input_only=True,
)

VOYAGE = Paths(
    {
        "post /embeddings": EMBEDDINGS,
        "post /contextualizedembeddings": EMBEDDINGS,
        "post /multimodalembeddings": replace(EMBEDDINGS, protocol=Multimodal()),
        "post /rerank": replace(EMBEDDINGS, operation=semconv.RERANK),
    }
)
