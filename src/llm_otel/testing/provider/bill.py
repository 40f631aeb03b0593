"""What the provider's answers used, by its own count: something to hold telemetry against."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Json

# Field of `Bill`: where the usages of the endpoints hold it, by path. The first whose first path is
# there is taken, and its paths are added up: Anthropic counts cached tokens beside the input, and
# Cohere those of images, Gemini thoughts beside the output.
_PLACES: dict[str, tuple[tuple[str, ...], ...]] = {
    "input_tokens": (
        ("prompt_tokens",),
        ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "image_tokens"),
        ("image_tokens",),
        ("promptTokenCount", "toolUsePromptTokenCount"),
        ("total_input_tokens", "total_tool_use_tokens"),
    ),
    "cached_tokens": (
        ("prompt_tokens_details.cached_tokens",),
        ("input_tokens_details.cached_tokens",),
        ("cache_read_input_tokens",),
        ("cachedContentTokenCount",),
        ("total_cached_tokens",),
    ),
    "cache_write_tokens": (("cache_creation_input_tokens",),),
    "output_tokens": (
        ("completion_tokens",),
        ("output_tokens",),
        ("candidatesTokenCount", "thoughtsTokenCount"),
        ("total_output_tokens", "total_thought_tokens"),
    ),
    "reasoning_tokens": (
        ("completion_tokens_details.reasoning_tokens",),
        ("output_tokens_details.reasoning_tokens",),
        ("output_tokens_details.thinking_tokens",),
        ("thoughtsTokenCount",),
        ("total_thought_tokens",),
    ),
    "pages": (("pages_processed",),),
    "search_units": (("search_units",),),
}


@dataclass(frozen=True)
class Bill:
    """What the answers of one model used.

    Attributes:
        answers: How many there were.
        input_tokens, output_tokens: Cached and reasoning tokens included.
        cached_tokens, cache_write_tokens: Parts of the input, read from a cache and written to it.
        reasoning_tokens: Part of the output.
        pages: Read by OCR.
        search_units: Of reranks, as Cohere bills them.
    """

    answers: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    pages: int = 0
    search_units: int = 0

    def plus(self, usage: Json) -> Bill:
        """The bill with one more answer on it, which used `usage`."""
        sums = {name: getattr(self, name) + _sum(usage, places) for name, places in _PLACES.items()}
        return Bill(answers=self.answers + 1, **sums)


def _sum(usage: Json, places: tuple[tuple[str, ...], ...]) -> int:
    for paths in places:
        counts = [_at(usage, path) for path in paths]
        if counts[0] is not None:
            return sum(count or 0 for count in counts)
    return 0


def _at(usage: Json, path: str) -> int | None:
    node: object = usage
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, int) else None
