"""Which family a request to InvokeModel is for, by the model's name or else by its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from llm_otel.base import read
from llm_otel.protocols.bedrock import models

_MOST = 256

# How a model's name begins, behind the profile of regions -> its family; the first that fits.
_BY_NAME: tuple[tuple[str, str], ...] = (
    ("anthropic.", "anthropic"),
    ("amazon.nova-canvas", "images"),
    ("amazon.nova-2-multimodal-embeddings", "embeddings"),
    ("amazon.nova-multimodal-embeddings", "embeddings"),
    ("amazon.nova", "nova"),
    ("amazon.titan-embed", "embeddings"),
    ("amazon.titan-image", "images"),
    ("amazon.titan", "titan"),
    ("amazon.rerank", "rerank"),
    ("meta.", "llama"),
    ("mistral.", "mistral"),
    ("cohere.embed", "embeddings"),
    ("cohere.rerank", "rerank"),
    ("cohere.command-r", "cohere-chat"),
    ("cohere.", "cohere"),
    ("ai21.j2", "jurassic"),
    ("deepseek.", "deepseek"),
    ("stability.", "images"),
    ("twelvelabs.marengo", "embeddings"),
    ("twelvelabs.", "pegasus"),
)
_PROFILE = re.compile(r"(?:global|[a-z]{2,4}(?:-[a-z]+)?)\.(?=[a-z0-9]+\.)")

# Families with two APIs: the one of prompts, by what a request holds.
_PROMPTED: Mapping[str, tuple[str, str]] = {
    "anthropic": ("anthropic-text", "prompt"),
    "mistral": ("mistral-text", "prompt"),
    "deepseek": ("deepseek-text", "prompt"),
    "cohere": ("cohere-chat", "message"),
}
# What a request holds -> the family, where the name is of an account's own; the first that fits.
_BY_KEY: tuple[tuple[str, str], ...] = (
    ("anthropic_version", "anthropic"),
    ("schemaVersion", "nova"),
    ("inferenceConfig", "nova"),
    ("textGenerationConfig", "titan"),
    ("inputText", "embeddings"),
    ("texts", "embeddings"),
    ("imageGenerationConfig", "images"),
    ("text_prompts", "images"),
    ("documents", "rerank"),
    ("max_gen_len", "llama"),
    ("max_tokens_to_sample", "anthropic-text"),
    ("messages", "chat"),
    ("inputPrompt", "pegasus"),
    ("message", "cohere-chat"),
    ("prompt", "text"),
)


def family(model_id: str, body: object) -> str:
    """The family of a request.

    Args:
        model_id: As it was sent.
        body: The body as it was sent; looked into only where a name does not tell.
    """
    by_name = _named(model_id)
    if by_name is not None:
        other, key = _PROMPTED.get(by_name, (by_name, ""))
        prompted = other != by_name and _holds(body, key) and not _holds(body, "messages")
        return other if prompted else by_name
    keys = read.fields(read.json_of(body.encode() if isinstance(body, str) else body))
    return next((name for key, name in _BY_KEY if key in keys), "chat")


@lru_cache(maxsize=_MOST)
def _named(model_id: str) -> str | None:
    """The family of a model's name; None where that is of an account's own."""
    name = models.parsed(model_id).name
    if name is None:
        return None
    bare = _PROFILE.sub("", name, count=1)
    family_name = next((family for begin, family in _BY_NAME if bare.startswith(begin)), None)
    # A name that AWS gives begins with who made the model: nearly all others speak as OpenAI does.
    return family_name or ("chat" if "." in bare else None)


def _holds(body: object, key: str) -> bool:
    """Whether a body seems to have a key."""
    if isinstance(body, str):
        return f'"{key}"' in body
    return isinstance(body, (bytes, bytearray)) and f'"{key}"'.encode() in body
