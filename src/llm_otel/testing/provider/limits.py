"""The rate limit and the headers that tell of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """What each model allows in a window.

    Attributes:
        requests: Requests per window.
        tokens: Tokens per window, counted as one for four bytes of the request.
        window: Seconds after which both are full again.
        enforce: Answer 429 when either is used up; without it `remaining` just stays at 0.

    Raises:
        ValueError: A number is not positive.
    """

    requests: int = 10_000
    tokens: int = 2_000_000
    window: float = 60.0
    enforce: bool = False

    def __post_init__(self) -> None:
        for name in ("requests", "tokens", "window"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise ValueError(f"RateLimit({name}=…) must be a number above 0, not {value!r}.")


@dataclass(frozen=True)
class Remaining:
    """What is left of one limit.

    Attributes:
        kind: `requests` or `tokens`.
        limit: In a whole window.
        amount: What is left of it.
        seconds: Until it is full again.
    """

    kind: str
    limit: int
    amount: int
    seconds: float


@dataclass
class _Window:
    ends: float
    requests: int
    tokens: int


class RateLimiter:
    """Counts requests by model; `clock` gives seconds."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def take(self, model: str, tokens: int) -> tuple[tuple[Remaining, ...], bool]:
        """Takes one request off the model's window.

        Returns:
            What is left, and whether the request is within an enforced limit.
        """
        limit, now = self._limit, self._clock()
        with self._lock:
            window = self._windows.get(model)
            if window is None or now >= window.ends:
                window = _Window(now + limit.window, limit.requests, limit.tokens)
                self._windows[model] = window
            allowed = not limit.enforce or (window.requests >= 1 and window.tokens >= tokens)
            if allowed:
                window.requests = max(0, window.requests - 1)
                window.tokens = max(0, window.tokens - tokens)
            seconds = window.ends - now
            remaining = (
                Remaining("requests", limit.requests, window.requests, seconds),
                Remaining("tokens", limit.tokens, window.tokens, seconds),
            )
        return remaining, allowed

    def reset(self) -> None:
        """Fills every window."""
        with self._lock:
            self._windows.clear()


def duration(seconds: float) -> str:
    """A time as OpenAI writes it: `20ms`, `8.64s`, `6m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
