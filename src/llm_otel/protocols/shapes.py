"""Finds the endpoint of a body by its shape, where nobody tells at which path it was asked for."""

from __future__ import annotations

from llm_otel.base import read
from llm_otel.protocols.anthropic import MESSAGES
from llm_otel.protocols.openai import CHAT, COMPLETION, EMBEDDINGS, RESPONSES
from llm_otel.protocols.spec import Endpoint

# What `object` or `type` says in an answer, and in the first chunk of a stream.
_BY_OBJECT = {
    "chat.completion": CHAT,
    "chat.completion.chunk": CHAT,
    "text_completion": COMPLETION,
    "response": RESPONSES,
}
_BY_TYPE = {"message": MESSAGES, "message_start": MESSAGES}
_EVENTS_OF_RESPONSES = "response."


def of_answer(body: object) -> Endpoint | None:
    """The endpoint whose whole answer a body is; None for a shape that is not known."""
    endpoint = _named(body)
    if endpoint is None and read.items(body, "choices"):
        return CHAT
    if endpoint is None and read.is_node(read.get(body, "usage")) and read.items(body, "data"):
        return EMBEDDINGS
    return endpoint


def of_chunk(chunk: object) -> Endpoint | None:
    """The endpoint whose stream a chunk belongs to; None for a shape that is not known."""
    if (read.text(chunk, "type") or "").startswith(_EVENTS_OF_RESPONSES):
        return RESPONSES
    endpoint = _named(chunk)
    if endpoint is None and isinstance(read.get(chunk, "choices"), list):
        return CHAT
    return endpoint


def _named(body: object) -> Endpoint | None:
    by_object = _BY_OBJECT.get(read.text(body, "object") or "")
    return by_object or _BY_TYPE.get(read.text(body, "type") or "")
