"""What calls leave to be measured waits a little, so that much is measured in a row.

Between two calls of an application, code and data of the metrics SDK drop out of the processor's
caches, and recording costs half as much again as in a row. What is exported is the same: a
collection works the rest off first. Exemplars get the time at which they are worked off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from llm_otel.core import guard

# What some 16 calls leave: more in a row saves nothing more, and this takes less than a millisecond
# of the call that works it off.
_MOST = 64


class Backlog:
    """Measuring to be done; thread-safe, in no promised order.

    Args:
        deferred: False where nobody is known to call `work_off` before a collection: everything is
            then done at once.
    """

    def __init__(self, *, deferred: bool) -> None:
        self._room = _MOST if deferred else 1
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def put(self, work: Callable[..., None], *args: Any) -> None:
        """Have `work(*args)` done at the next collection, or once enough waits."""
        self._waiting.append((work, args))
        if len(self._waiting) >= self._room:
            self.work_off()

    def work_off(self) -> bool:
        """Do what waits; False when nothing did."""
        worked = False
        while self._waiting:
            try:
                work, args = self._waiting.popleft()
            except IndexError:  # another thread was quicker
                break
            worked = True
            try:
                work(*args)
            except Exception as exc:  # noqa: BLE001
                guard.handle("measure", exc)
        return worked
