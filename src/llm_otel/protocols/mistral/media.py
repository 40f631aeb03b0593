"""OCR, transcriptions, speech and moderation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel.base import read
from llm_otel.protocols import errors, usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.mistral.chat import Embeddings
from llm_otel.protocols.mistral.common import HEADERS, error_in
from llm_otel.protocols.openai import media
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Formats that the caller asks for: pages that are described in one cost more.
# https://docs.mistral.ai/capabilities/document_ai/annotations
_ANNOTATIONS = ("bbox_annotation_format", "document_annotation_format")


class Ocr(Protocol):
    """Pages that were read, billed each."""

    headers = HEADERS

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """The model, and how many pages there were."""
        body = read.fields(node)
        used = usage.usage(body, endpoint)
        error = error_in(body, dialect)
        if error is None and used is None:
            error = errors.in_body(body, dialect)
        return Answer(
            read.string(body.get("id")), read.string(body.get("model")), usage=used, error=error
        )

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """Pages are annotated where the request asks for it."""
        if any(request.body.get(name) for name in _ANNOTATIONS):
            used.annotated_pages = used.pages

    def request_content(self, body: object) -> Content:
        """The document, by where it is."""
        from llm_otel.content.model import Content, message, text_part
        from llm_otel.protocols.openai.parts import content_part

        document, prompt = read.get(body, "document"), read.text(body, "document_annotation_prompt")
        parts = [content_part(document)] if document is not None else []
        if prompt:
            parts.append(text_part(prompt))
        return Content(inputs=[message("user", parts)] if parts else [])

    def response_content(self, response: object) -> list[Message]:
        """The text of the pages, a part each."""
        from llm_otel.content.model import output_message, text_part

        pages = [read.text(page, "markdown") for page in read.items(response, "pages")]
        texts = [*pages, read.text(response, "document_annotation")]
        parts = [text_part(text) for text in texts if text]
        return [output_message(parts, "stop")] if parts else []


class Transcriptions(media.Transcriptions):
    """Speech to text."""

    headers = HEADERS

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Events, the last of which is the whole transcription."""
        return Last(self, endpoint, dialect, "transcription.done")

    def accumulator(self) -> Accumulator:
        """The text in its pieces."""
        from llm_otel.protocols.mistral.content import Transcript

        return Transcript()


class Speech(media.Speech):
    """Text to speech, billed by what only the last event of a stream tells."""

    headers = HEADERS

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Events, the last of which tells the usage."""
        return Last(self, endpoint, dialect, "speech.audio.done")


class Moderations(Embeddings):
    """Texts to be judged, or conversations."""

    def request_content(self, body: object) -> Content:
        """Each of them."""
        from llm_otel.protocols.mistral.content import moderated

        return moderated(body)


class Last:
    """Events, of which one ends the stream and tells everything.

    Args:
        protocol: Reads that event.
        endpoint: Where its usage is.
        dialect: What is particular to the provider.
        final: Its type.
    """

    __slots__ = ("_dialect", "_endpoint", "_error", "_final", "_last", "_protocol", "hides")

    def __init__(
        self, protocol: Protocol, endpoint: Endpoint, dialect: Dialect, final: str
    ) -> None:
        self.hides = False
        self._protocol = protocol
        self._endpoint = endpoint
        self._dialect = dialect
        self._final = final
        self._last: object = None
        self._error: object = None

    def goes_on(self, chunk: Any) -> bool:  # noqa: ARG002
        """Never: see `Fold`."""
        return False

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        kind = read.text(chunk, "type")
        if kind == self._final:
            self._last = chunk
        elif "error" in (kind, read.text(chunk, "object")):
            self._error = chunk

    def answer(self) -> Answer:
        """What the events told so far."""
        if self._error is not None:
            return Answer(error=errors.in_event(self._error, self._dialect))
        if self._last is None:
            return Answer()
        return self._protocol.answer(self._last, self._endpoint, self._dialect)

    @property
    def ended(self) -> bool:
        """Whether the last event came."""
        return self._last is not None
