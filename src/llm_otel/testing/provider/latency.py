"""How long answers take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from .messages import Reply


@dataclass(frozen=True)
class Latency:
    """A latency profile, fixed or log-normal.

    Attributes:
        first: Seconds to the first byte of a stream; the median if `sigma` is given.
        per_chunk: Seconds between the chunks of a stream. A plain answer takes as long as the
            stream of it would.
        sigma: Spread of the log-normal distribution (of the logarithm; 0.3 to 0.6 looks like a real
            provider); 0: always the same.

    Raises:
        ValueError: A value is negative or not a finite number.
    """

    first: float = 0.0
    per_chunk: float = 0.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        for name in ("first", "per_chunk", "sigma"):
            _check_seconds(f"Latency({name}=…)", getattr(self, name))

    def draw(self, random: Random) -> tuple[float, float]:
        """Seconds to the first byte, and between chunks, for one request."""
        if not self.sigma:
            return self.first, self.per_chunk
        spread = math.exp(random.gauss(0.0, self.sigma))
        return self.first * spread, self.per_chunk * spread


LatencySetting = float | Latency | Mapping[str, float | Latency] | None
"""Seconds, a profile, or either by model pattern (`*` stands for anything; first match wins)."""


class LatencyProfiles:
    """Delays replies as the setting says; `random` decides where it leaves a choice."""

    def __init__(self, setting: LatencySetting, random: Random) -> None:
        by_model = setting if isinstance(setting, Mapping) else {"*": setting or 0.0}
        self._profiles = [(pattern, _profile(value)) for pattern, value in by_model.items()]
        self._random = random

    def apply(self, model: str, reply: Reply) -> Reply:
        """Sets the delays of the reply by the profile of the model; returns the reply."""
        for pattern, profile in self._profiles:
            if fnmatchcase(model, pattern):
                first, per_chunk = profile.draw(self._random)
                reply.delay, reply.chunk_delay = first, per_chunk
                if reply.chunks is None:
                    reply.delay += per_chunk * (reply.pieces - 1)
                break
        return reply


def _profile(value: float | Latency) -> Latency:
    if isinstance(value, Latency):
        return value
    _check_seconds("latency", value)
    return Latency(first=value)


def _check_seconds(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}.")
