"""What a request tells of itself: the names that nearly all providers agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from llm_otel import semconv
from llm_otel.base import read

Reader: TypeAlias = Callable[[object], Any]
# Key of the request -> attributes, each with how to read it; None for what is not said.
Attributes: TypeAlias = Mapping[str, "tuple[tuple[str, Reader], ...]"]


def model(body: Mapping[str, object], extra: object) -> str | None:
    """The model of a body, which `extra` overrides."""
    over = read.get(extra, "model") if extra is not None else None
    return read.string(body.get("model") if over is None else over)


def read_attributes(body: Mapping[str, object], names: Attributes) -> dict[str, Any]:
    """The span attributes that a table knows of a body."""
    attributes: dict[str, Any] = {}
    for key, value in body.items():
        for name, reader in names.get(key, ()):
            known = reader(value)
            if known is not None:
                attributes[name] = known
    return attributes


def strings(value: object) -> tuple[str, ...] | None:
    """A string, or a list of nothing but strings."""
    items = value[: semconv.MAX_TEXTS] if type(value) is list else [value]
    texts = [read.string(item) for item in items]
    return tuple(item for item in texts if item is not None) if texts and all(texts) else None


def inner(key: str, reader: Reader) -> Reader:
    """Reads what an object holds below a key."""
    return lambda node: reader(read.get(node, key))


def _not_one(value: object) -> int | None:
    return read.integer(value) if value != 1 else None


def _format(value: object) -> str | None:
    """`response_format` of chat, `text.format` of responses: an object with a type."""
    return _FORMATS.get(read.text(value, "type") or "")


_FORMATS = {"json_object": "json", "json_schema": "json", "text": "text"}


def _id(node: object) -> str | None:
    return read.string(node) or read.string(read.get(node, "id"))


ATTRIBUTES: Attributes = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, read.number),),
    "top_p": ((semconv.REQUEST_TOP_P, read.number),),
    "top_k": ((semconv.REQUEST_TOP_K, read.integer),),
    "frequency_penalty": ((semconv.REQUEST_FREQUENCY_PENALTY, read.number),),
    "presence_penalty": ((semconv.REQUEST_PRESENCE_PENALTY, read.number),),
    "max_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "max_completion_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "max_output_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "stop": ((semconv.REQUEST_STOP_SEQUENCES, strings),),
    "seed": ((semconv.REQUEST_SEED, read.integer),),
    "n": ((semconv.REQUEST_CHOICE_COUNT, _not_one),),
    "reasoning_effort": ((semconv.REQUEST_REASONING_LEVEL, read.string),),
    "reasoning": ((semconv.REQUEST_REASONING_LEVEL, inner("effort", read.string)),),
    "response_format": ((semconv.OUTPUT_TYPE, _format),),
    "text": ((semconv.OUTPUT_TYPE, inner("format", _format)),),
    "previous_response_id": ((semconv.REQUEST_PREVIOUS_RESPONSE_ID, read.string),),
    "conversation": ((semconv.CONVERSATION_ID, _id),),
    "prompt": (
        (semconv.PROMPT_NAME, inner("id", read.string)),
        (semconv.PROMPT_VERSION, inner("version", read.string)),
    ),
    "dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "encoding_format": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
}
