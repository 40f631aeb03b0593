"""Images, speech, transcriptions and moderation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import marks
from llm_otel.protocols.openai.common import OpenAI
from llm_otel.protocols.spec import Accumulator, Endpoint
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect


class Images(OpenAI):
    """Generated and edited images."""

    def read(
        self, result: Answer, body: Mapping[str, object], endpoint: Endpoint, dialect: Dialect
    ) -> None:
        """Add the usage of SVG authoring."""
        super().read(result, body, endpoint, dialect)
        written = marks.svg_usage(body)
        if written is not None:
            result.usage = result.usage or Usage()
            result.usage.extra = (written,)

    def request_content(self, body: object) -> Content:
        """The prompt, and the images to edit."""
        from llm_otel.protocols.openai.media_content import image_request

        return image_request(body)

    def response_content(self, response: object) -> list[Message]:
        """One message for each image."""
        from llm_otel.protocols.openai.media_content import image_response

        return image_response(response)

    def accumulator(self) -> Accumulator:
        """Finished images."""
        from llm_otel.protocols.openai.media_content import ImageAccumulator

        return ImageAccumulator()


class Speech(OpenAI):
    """Text to speech."""

    def request_content(self, body: object) -> Content:
        """The text to speak."""
        from llm_otel.protocols.openai.media_content import speech_request

        return speech_request(body)


class Transcriptions(OpenAI):
    """Speech to text."""

    def request_content(self, body: object) -> Content:
        """The prompt."""
        from llm_otel.protocols.openai.media_content import transcription_request

        return transcription_request(body)

    def response_content(self, response: object) -> list[Message]:
        """What was heard."""
        from llm_otel.protocols.openai.media_content import transcription_response

        return transcription_response(response)

    def accumulator(self) -> Accumulator:
        """The text in its pieces."""
        from llm_otel.protocols.openai.media_content import TranscriptAccumulator

        return TranscriptAccumulator()


class Moderations(OpenAI):
    """Texts to be judged."""

    def request_content(self, body: object) -> Content:
        """Each of them."""
        from llm_otel.protocols.openai.media_content import moderation_request

        return moderation_request(body)
