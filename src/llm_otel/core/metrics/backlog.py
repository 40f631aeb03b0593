"""What calls leave to be measured waits a little, so that much is measured in a row.

Between two calls of an application, code and data of the metrics SDK drop out of the processor's
caches, and recording costs half as much again as in a row. What is exported is the same: a
collection works the rest off first. Exemplars get the time at which they are worked off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_otel.core.metrics.measurement import Measurement

# More in a row saves nothing more, and this takes less than a millisecond of the call that works
# it off.
_MOST = 16


class Backlog:
    """Calls that wait to be measured; thread-safe, in no promised order.

    Args:
        measure: Measures one of them.
        deferred: False where nobody is known to call `work_off` before a collection: everything is
            then done at once.
    """

    def __init__(self, measure: Callable[[Measurement], None], *, deferred: bool) -> None:
        self._measure = measure
        self._room = _MOST if deferred else 1
        self._waiting: deque[Measurement] = deque()

    def put(self, call: Measurement) -> None:
        """Have a call measured at the next collection, or once enough wait."""
        self._waiting.append(call)
        if len(self._waiting) >= self._room:
            self.work_off()

    def work_off(self) -> bool:
        """Measure what waits; False when nothing did."""
        worked = False
        while self._waiting:
            try:
                call = self._waiting.popleft()
            except IndexError:  # another thread was quicker
                break
            worked = True
            self._measure(call)
        return worked
