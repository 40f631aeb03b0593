"""Which builder serves which kind of endpoint (`llm_otel.clients.spec.Kind`)."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, items, text
from llm_otel.content.media import media_part
from llm_otel.content.model import (
    Content,
    Message,
    Part,
    message,
    output_message,
    sequence,
    text_part,
)
from llm_otel.core.content.openai_chat import chat_request, chat_response, completion_request
from llm_otel.core.content.openai_responses import responses_request, responses_response
from llm_otel.core.content.parts import content_part, content_parts

_IMAGE_INPUTS = ("image", "images", "mask")


def request_content(kind: str, body: object) -> Content:
    """The request's part of the content, raw.

    Args:
        kind: The endpoint's kind; one without content attributes (embeddings, batch, rerank) or an
            unknown one gives an empty `Content`.
        body: The request as the SDK is about to send it; whatever it is, nothing is raised for it.
    """
    build = _REQUESTS.get(kind)
    return build(body) if build is not None else Content()


def response_content(kind: str, response: object) -> list[Message]:
    """The output messages of a whole response, a dict or the SDK's object; [] for anything else."""
    build = _RESPONSES.get(kind)
    return build(response) if build is not None else []


def transcript_message(transcript: str, finish_reason: str = "stop") -> Message:
    """What an audio endpoint heard."""
    return output_message([text_part(transcript)], finish_reason)


def image_message(image: object) -> Message:
    """One generated image, by its URL or its size, and the prompt that the model made of ours."""
    revised = text(image, "revised_prompt")
    parts: list[Part] = [text_part(revised)] if revised else []
    parts.append(media_part(get(image, "url") or get(image, "b64_json"), "image"))
    return output_message(parts, "stop")


def _image_request(body: object) -> Content:
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


def _speech_request(body: object) -> Content:
    spoken = content_parts(get(body, "input"))
    return Content(
        inputs=[message("user", spoken)] if spoken else [],
        system=content_parts(get(body, "instructions")),
    )


def _transcription_request(body: object) -> Content:
    """The audio itself travels as a file beside the body; the prompt is what there is to say."""
    parts = content_parts(get(body, "prompt"))
    return Content(inputs=[message("user", parts)] if parts else [])


def _moderation_request(body: object) -> Content:
    entries = sequence(get(body, "input"))
    return Content(inputs=[message("user", [content_part(entry)]) for entry in entries])


def _image_response(response: object) -> list[Message]:
    return [image_message(image) for image in items(response, "data")]


def _transcription_response(response: object) -> list[Message]:
    """`response_format=text` and its like give a bare string."""
    heard = response if isinstance(response, str) else text(response, "text")
    return [transcript_message(heard)] if heard else []


_REQUESTS: dict[str, Callable[[object], Content]] = {
    "chat": chat_request,
    "completion": completion_request,
    "responses": responses_request,
    "image": _image_request,
    "speech": _speech_request,
    "transcription": _transcription_request,
    "moderation": _moderation_request,
}
_RESPONSES: dict[str, Callable[[object], list[Message]]] = {
    "chat": chat_response,
    "completion": chat_response,
    "responses": responses_response,
    "image": _image_response,
    "transcription": _transcription_response,
}
