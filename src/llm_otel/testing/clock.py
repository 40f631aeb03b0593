"""A clock that moves when it is told to."""

from __future__ import annotations

import threading


class FakeClock:
    """Seconds that only `advance()` moves; call it to read it, e.g. `provider(clock=clock)`."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves the clock on.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: advance({seconds!r}).")
        with self._lock:
            self._now += seconds
