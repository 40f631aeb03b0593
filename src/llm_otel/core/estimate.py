"""A local count of tokens, for those who opt in to one where the provider reports none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_otel.base import read
from llm_otel.usage import Usage

# https://help.openai.com/en/articles/4936856: about four characters of English to a token.
CHARACTERS_PER_TOKEN = 4

_DEEPEST = 8


class Characters:
    """Counts the characters of a stream; keeps none of them."""

    def __init__(self) -> None:
        self.output = 0

    def add(self, chunk: Any) -> None:
        """Count the text of a chunk's choices."""
        for choice in read.items(chunk, "choices"):
            for holder in (read.get(choice, "delta"), choice):
                for key in ("content", "text", "refusal"):
                    value = read.get(holder, key)
                    if isinstance(value, str):
                        self.output += len(value)

    def usage(self, body: Mapping[str, object]) -> Usage:
        """The estimate for a request body and what was streamed."""
        asked = sum(
            len(text) for key in ("messages", "prompt") for text in _texts(body.get(key), _DEEPEST)
        )
        return Usage(input_tokens=_tokens(asked), output_tokens=_tokens(self.output))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _texts(node: object, depth: int) -> Iterator[str]:
    """Strings below `content`, `text`, or bare ones; never media."""
    if isinstance(node, str):
        yield node
    elif depth and type(node) is list:
        for item in node:
            yield from _texts(item, depth - 1)
    elif depth and type(node) is dict:
        for key in ("content", "text"):
            yield from _texts(node.get(key), depth - 1)
