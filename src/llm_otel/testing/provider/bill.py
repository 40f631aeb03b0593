"""What the provider's answers used, by its own count: something to hold telemetry against."""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Json

# Field of `Bill`: the names that the protocol's endpoints have for it, details by their path.
_NAMES: dict[str, tuple[str, ...]] = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "cached_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
}


@dataclass(frozen=True)
class Bill:
    """What the answers of one model used.

    Attributes:
        answers: How many there were.
        input_tokens, output_tokens: Cached and reasoning tokens included.
        cached_tokens, reasoning_tokens: The parts of these.
    """

    answers: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, usage: Json) -> Bill:
        """The bill with one more answer on it, which used `usage`."""
        sums = {name: getattr(self, name) + _first(usage, paths) for name, paths in _NAMES.items()}
        return Bill(answers=self.answers + 1, **sums)


def _first(usage: Json, paths: tuple[str, ...]) -> int:
    for path in paths:
        found: object = usage
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, int):
            return found
    return 0
