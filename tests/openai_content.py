"""What OpenAI's protocols make of bodies, by the name of a kind of request."""

from __future__ import annotations

from llm_otel.content.model import Content, Message
from llm_otel.protocols import openai
from llm_otel.protocols.spec import Accumulator, Endpoint

KINDS: dict[str, Endpoint] = {
    "chat": openai.CHAT,
    "completion": openai.COMPLETION,
    "responses": openai.RESPONSES,
    "embeddings": openai.EMBEDDINGS,
    "image": openai.IMAGE,
    "speech": openai.SPEECH,
    "transcription": openai.TRANSCRIPTION,
    "moderation": openai.MODERATION,
    "batch": openai.OPENAI["post /batches"],
    "rerank": openai.RERANK,
    "no such kind": Endpoint("chat"),
}


def request_content(kind: str, body: object) -> Content:
    """What a request says."""
    return KINDS[kind].protocol.request_content(body)


def response_content(kind: str, response: object) -> list[Message]:
    """What a whole response says."""
    return KINDS[kind].protocol.response_content(response)


def accumulator(kind: str) -> Accumulator | None:
    """What collects a stream."""
    return KINDS[kind].protocol.accumulator()
