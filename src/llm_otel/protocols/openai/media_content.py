"""Images, speech, transcriptions and moderation, in the conventions' shapes."""

from __future__ import annotations

from llm_otel.base.read import get, items, text
from llm_otel.content.media import media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    sequence,
    text_part,
)
from llm_otel.protocols.openai.parts import content_part, content_parts

_IMAGE_INPUTS = ("image", "images", "mask")


def transcript_message(transcript: str, finish_reason: str = "stop") -> Message:
    """What an audio endpoint heard."""
    return output_message([text_part(transcript)], finish_reason)


def image_message(image: object) -> Message:
    """One generated image, by its URL or its size, and the prompt that the model made of ours."""
    revised = text(image, "revised_prompt")
    parts: list[Part] = [text_part(revised)] if revised else []
    parts.append(media_part(get(image, "url") or get(image, "b64_json"), "image"))
    return output_message(parts, "stop")


def image_request(body: object) -> Content:
    parts = content_parts(get(body, "prompt"))
    for key in _IMAGE_INPUTS:
        parts += [_image_part(entry) for entry in sequence(get(body, key))]
    return Content(inputs=[message("user", parts)] if parts else [])


def _image_part(entry: object) -> Part:
    if isinstance(entry, (str, bytes)):
        return media_part(entry, "image")
    if get(entry, "image_url") or get(entry, "file_id"):
        return content_part(
            {
                "type": "input_image",
                "image_url": get(entry, "image_url"),
                "file_id": get(entry, "file_id"),
            }
        )
    return media_part(None, "image")


def speech_request(body: object) -> Content:
    spoken = content_parts(get(body, "input"))
    return Content(
        inputs=[message("user", spoken)] if spoken else [],
        system=content_parts(get(body, "instructions")),
    )


def transcription_request(body: object) -> Content:
    """The audio itself travels as a file beside the body; the prompt is what there is to say."""
    parts = content_parts(get(body, "prompt"))
    return Content(inputs=[message("user", parts)] if parts else [])


def moderation_request(body: object) -> Content:
    entries = sequence(get(body, "input"))
    return Content(inputs=[message("user", [content_part(entry)]) for entry in entries])


def image_response(response: object) -> list[Message]:
    return [image_message(image) for image in items(response, "data")]


def transcription_response(response: object) -> list[Message]:
    """`response_format=text` and its like give a bare string."""
    heard = response if isinstance(response, str) else text(response, "text")
    return [transcript_message(heard)] if heard else []


# ------------------------------------------------------------------ streams
class TranscriptAccumulator:
    """Streamed transcriptions."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._done: str | None = None

    def add(self, chunk: object) -> None:
        """Take a delta, or the whole text that the last event repeats."""
        if get(chunk, "type") == "transcript.text.done":
            self._done = text(chunk, "text")
            return
        piece = text(chunk, "delta")
        if piece is not None:
            self._pieces.append(piece)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """One message, if anything was heard."""
        if self._done is not None:
            return [transcript_message(self._done)]
        return [transcript_message("".join(self._pieces), unfinished)] if self._pieces else []


class ImageAccumulator:
    """Streamed images: partial ones are not kept."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def add(self, chunk: object) -> None:
        """Take a finished image."""
        if (text(chunk, "type") or "").endswith(".completed"):
            self._messages.append(image_message(chunk))

    def messages(self, unfinished: str = ERROR) -> list[Message]:  # noqa: ARG002 - all are finished
        """One message for each image."""
        return list(self._messages)
