"""Answers about words that come from outside, kept for those that come again."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

Answer = TypeVar("Answer")

_MOST: Final = 4096
# Longer than any name; whoever sends long ones would fill the memory with them.
_LONGEST: Final = 256


def by_word(function: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """Keep what a function answers to the last words that are not long."""
    kept = lru_cache(_MOST)(function)

    @wraps(function)
    def answer(word: str) -> Answer:
        return kept(word) if len(word) <= _LONGEST else function(word)

    return answer
