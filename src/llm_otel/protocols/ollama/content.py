"""What requests and answers say, whole and in pieces."""

from __future__ import annotations

from llm_otel.base.read import get, text
from llm_otel.content.media import media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    reasoning_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.protocols.openai.parts import tool_definitions


def request_content(body: object) -> Content:
    """A chat's messages; the prompt of a generation, with what its `system` says."""
    inputs = [_input_message(each) for each in sequence(get(body, "messages"))]
    prompt = [*_texts(body, "prompt"), *_images(body)]
    if prompt:
        inputs.append(message("user", prompt))
    suffix = text(body, "suffix")
    if suffix:
        inputs.append(message("user", [{"type": "suffix", "content": suffix}]))
    return Content(inputs=inputs, system=_texts(body, "system"), tools=tool_definitions(body))


def response_content(response: object) -> list[Message]:
    """The message of a whole answer; none where it says nothing."""
    node = get(response, "message")
    parts = _parts(node if node is not None else response)
    reason = text(response, "done_reason") or "stop"
    return [output_message(parts, reason, get(node, "role"))] if parts else []


def _input_message(entry: object) -> Message:
    role = get(entry, "role")
    if role == "tool":
        call = get(entry, "tool_call_id") or get(entry, "tool_name") or get(entry, "name")
        return message(role, [tool_response_part(call, get(entry, "content"))])
    return message(role, _parts(entry))


def _parts(node: object) -> list[Part]:
    """Thoughts, text, pictures and tool calls of a message, or of a generation."""
    thoughts = text(node, "thinking")
    parts = [reasoning_part(thoughts)] if thoughts else []
    parts += _texts(node, "content") + _texts(node, "response") + _images(node)
    image = get(node, "image")
    if image:
        parts.append(media_part(image, "image"))
    return parts + [_call(each) for each in sequence(get(node, "tool_calls"))]


def _texts(node: object, key: str) -> list[Part]:
    value = text(node, key)
    return [text_part(value)] if value else []


def _images(node: object) -> list[Part]:
    return [media_part(each, "image") for each in sequence(get(node, "images"))]


def _call(entry: object) -> Part:
    function = get(entry, "function")
    return tool_call_part(get(entry, "id"), get(function, "name"), get(function, "arguments"))


class Pieces:
    """Collects the message of a stream."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._calls: list[object] = []
        self._role: object = None
        self._reason: object = None
        self._image: object = None

    def add(self, chunk: object) -> None:
        """Take an object with a piece."""
        node = get(chunk, "message")
        if node is None:
            node = chunk
        for key in ("thinking", "content", "response"):
            piece = text(node, key)
            if piece is not None:
                self._texts.setdefault(key, []).append(piece)
        self._calls += sequence(get(node, "tool_calls"))
        self._role = self._role or get(node, "role")
        self._image = get(node, "image") or self._image
        if get(chunk, "done") is True:
            self._reason = text(chunk, "done_reason") or "stop"

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far."""
        texts = {key: "".join(pieces) for key, pieces in self._texts.items()}
        parts = _parts({**texts, "tool_calls": self._calls, "image": self._image})
        reason = self._reason if isinstance(self._reason, str) else unfinished
        return [output_message(parts, reason, self._role)] if parts else []
