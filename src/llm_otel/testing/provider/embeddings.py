"""`/v1/embeddings`: bags of hashed words, so that texts that share words have near vectors."""

from __future__ import annotations

import base64
import json
import math
import re
from array import array
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from .answers import count_tokens
from .messages import ProtocolError, ReceivedRequest, Reply
from .state import State

_DIMENSIONS = {"text-embedding-3-large": 3072}
_DEFAULT_DIMENSIONS = 1536
_PLACES_PER_WORD = 8


def embeddings(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/embeddings`."""
    body = request.json
    if not isinstance(body, dict) or not request.model:
        raise ProtocolError("you must provide a model parameter")
    texts = _texts(body.get("input"))
    dimensions = body.get("dimensions") or _DIMENSIONS.get(request.model, _DEFAULT_DIMENSIONS)
    as_base64 = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        encoded = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    tokens = sum(count_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": request.model, "usage": usage}
    return Reply(body=body, usage=usage)


def image_embeddings(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /images/embeddings` of Azure AI: an image, or an image with a text."""
    body = request.json
    entries = body.get("input") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise ProtocolError("'$.input' is invalid.", param="input")
    texts = [f"{entry.get('text', '')}{entry.get('image', '')}" for entry in entries]
    plain = json.dumps({**body, "input": texts}).encode()
    return embeddings(replace(request, body=plain), state)


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(item, str) for item in given):
            return given
        if all(isinstance(item, int) for item in given):
            return [" ".join(map(str, given))]
        if all(isinstance(item, list) for item in given):
            return [" ".join(map(str, item)) for item in given]
    raise ProtocolError("'$.input' is invalid.", param="input")


def embed(text: str, dimensions: int = _DEFAULT_DIMENSIONS) -> array[float]:
    """The unit vector of a text, as 32-bit floats."""
    values = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        for number in _places(word):
            values[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return array("f", [value / norm for value in values])


@lru_cache(maxsize=10_000)
def _places(word: str) -> tuple[int, ...]:
    # Words with one stem should be near: the first letters place half of the word's weight.
    stem = word[: max(4, len(word) - 3)]
    half = _PLACES_PER_WORD // 2
    return (*_numbers(word)[:half], *_numbers("stem " + stem)[:half])


def _numbers(word: str) -> list[int]:
    digest = blake2b(word.encode("utf-8", "surrogatepass")).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 64, 4)]
