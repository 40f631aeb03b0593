"""What a request of Gemini says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.requests import Attributes, Reader, inner, strings


def _whole(value: object) -> int | None:
    """A whole number, which JSON may hold as 40.0."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return read.integer(value)


def _not_one(value: object) -> int | None:
    return read.integer(value) if value != 1 else None


def _level(value: object) -> str | None:
    level = read.string(value)
    return level.lower() if level is not None else None


_BY_TYPE: Mapping[str, str] = {
    "application/json": "json", "text/x.enum": "text", "text/plain": "text",
}  # fmt: skip
_BY_MODALITY: Mapping[str, str] = {"TEXT": "text", "IMAGE": "image", "AUDIO": "speech"}


def _modality(value: object) -> str | None:
    """The one modality beside text that is asked for."""
    names = {name.upper() for name in strings(value) or ()}
    names = names - {"TEXT"} or names
    return _BY_MODALITY.get(names.pop()) if len(names) == 1 else None


# Keys below `generationConfig`; the SDK leaves some of a caller's own spelling as they are.
# https://ai.google.dev/api/generate-content#generationconfig
_CONFIG: tuple[tuple[str, tuple[str, ...], Reader], ...] = (
    (semconv.REQUEST_TEMPERATURE, ("temperature",), read.number),
    (semconv.REQUEST_TOP_P, ("topP", "top_p"), read.number),
    (semconv.REQUEST_TOP_K, ("topK", "top_k"), _whole),
    (semconv.REQUEST_FREQUENCY_PENALTY, ("frequencyPenalty",), read.number),
    (semconv.REQUEST_PRESENCE_PENALTY, ("presencePenalty",), read.number),
    (semconv.REQUEST_MAX_TOKENS, ("maxOutputTokens", "max_output_tokens"), read.integer),
    (semconv.REQUEST_STOP_SEQUENCES, ("stopSequences", "stop_sequences"), strings),
    (semconv.REQUEST_SEED, ("seed",), read.integer),
    (semconv.REQUEST_CHOICE_COUNT, ("candidateCount",), _not_one),
    (semconv.OUTPUT_TYPE, ("responseMimeType",), lambda value: _BY_TYPE.get(str(value))),
    (semconv.OUTPUT_TYPE, ("responseModalities", "response_modalities"), _modality),
    (semconv.REQUEST_REASONING_LEVEL, ("thinking_level",), _level),
    (semconv.REQUEST_REASONING_LEVEL, ("thinkingConfig",), inner("thinkingLevel", _level)),
    (semconv.REQUEST_REASONING_LEVEL, ("thinkingConfig",), inner("thinking_level", _level)),
)


def _of_config(keys: tuple[str, ...], reader: Reader) -> Reader:
    def read_config(config: object) -> object:
        fields = read.fields(config)
        return next((reader(fields[key]) for key in keys if fields.get(key) is not None), None)

    return read_config


CONFIG = tuple((name, _of_config(keys, reader)) for name, keys, reader in _CONFIG)
ATTRIBUTES: Attributes = {"generationConfig": CONFIG}


def _dimensions(requests: object) -> int | None:
    """Of the first of the requests, which the SDK sends with the same for all."""
    first = requests[0] if type(requests) is list and requests else None
    return read.integer(read.get(first, "outputDimensionality"))


_DIMENSIONS = semconv.EMBEDDINGS_DIMENSION_COUNT
EMBEDDINGS_ATTRIBUTES: Attributes = {
    "requests": ((_DIMENSIONS, _dimensions),),
    "outputDimensionality": ((_DIMENSIONS, read.integer),),
    "embedContentConfig": ((_DIMENSIONS, inner("outputDimensionality", read.integer)),),
    "parameters": ((_DIMENSIONS, inner("outputDimensionality", read.integer)),),
}
IMAGE_ATTRIBUTES: Attributes = {
    "parameters": (
        (semconv.REQUEST_CHOICE_COUNT, inner("sampleCount", _not_one)),
        (semconv.REQUEST_SEED, inner("seed", read.integer)),
    ),
}
INTERACTION_ATTRIBUTES: Attributes = {
    "generation_config": CONFIG,
    "previous_interaction_id": ((semconv.REQUEST_PREVIOUS_RESPONSE_ID, read.string),),
    "response_modalities": ((semconv.OUTPUT_TYPE, _modality),),
    "response_mime_type": ((semconv.OUTPUT_TYPE, lambda value: _BY_TYPE.get(str(value))),),
}
