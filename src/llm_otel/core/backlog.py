"""What calls leave to be measured waits a little, so that much is measured in a row.

Between two calls of an application, code and data of the metrics SDK drop out of the processor's
caches, and recording costs half as much again as in a row. What is exported is the same: a
collection works the rest off first. Exemplars get the time at which they are worked off.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from opentelemetry.context import Context

from llm_otel.base import guard

if TYPE_CHECKING:
    from llm_otel.core.family_b import Family, Recorder
    from llm_otel.core.instruments import Instruments, Series
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

# More in a row saves nothing more, and this takes less than a millisecond of the call that works
# it off.
_MOST = 16


class Ended:
    """What a call leaves behind to be measured, nothing of its bodies.

    Attributes:
        series: The call's.
        seconds: Duration of the call.
        error: Its class of error, or None.
        context: Holds the span that the exemplar leads to.
        first_chunk: Seconds to a stream's first chunk.
        used, used_by: The usage to count, and whose it is.
        priced: Whether `cost` is to be counted now; None counts as unpriced.
        cost: What `used` costs, or the time of a machine.
        usage_unknown: The call should have reported its usage and did not.
        recorders: Those of family B, which read what follows.
        operation: `gen_ai.operation.name`.
        family: Where family B counts it.
        usage: What the answer told of its usage.
        error_type: `error.type`, or None.
    """

    __slots__ = (
        "context", "cost", "error", "error_type", "family", "first_chunk", "operation",
        "priced", "recorders", "seconds", "series", "usage", "usage_unknown", "used", "used_by",
    )  # fmt: skip

    operation: str
    family: Family
    usage: Usage | None
    error_type: str | None

    def __init__(self, series: Series, seconds: float, error: str | None, context: Context) -> None:
        self.series = self.used_by = series
        self.seconds = seconds
        self.error = error
        self.context = context
        self.first_chunk: float | None = None
        self.used: Usage | None = None
        self.priced = self.usage_unknown = False
        self.cost: Cost | None = None
        self.recorders: tuple[Recorder, ...] = ()


class Backlog:
    """Calls that wait to be measured; thread-safe, in no promised order.

    Args:
        instruments: Where they are measured.
        deferred: False where nobody is known to call `work_off` before a collection: everything is
            then done at once.
    """

    def __init__(self, instruments: Instruments, *, deferred: bool) -> None:
        self._instruments = instruments
        self._room = _MOST if deferred else 1
        self._waiting: deque[Ended] = deque()

    def put(self, ended: Ended) -> None:
        """Have a call measured at the next collection, or once enough wait."""
        self._waiting.append(ended)
        if len(self._waiting) >= self._room:
            self.work_off()

    def work_off(self) -> bool:
        """Measure what waits; False when nothing did."""
        worked = False
        while self._waiting:
            try:
                ended = self._waiting.popleft()
            except IndexError:  # another thread was quicker
                break
            worked = True
            _measure(self._instruments, ended)
        return worked


def _measure(to: Instruments, ended: Ended) -> None:
    """Record the end of a call. A part that fails takes no other with it; in one function, as a
    call of each part would cost more than looking whether there is one."""
    try:
        to.ended(ended.series, ended.seconds, ended.error, ended.context)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        if ended.used is not None:
            to.used(ended.used_by, ended.used)
        elif ended.usage_unknown:
            to.unknown_usage(ended.series)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        if ended.priced:
            to.cost(ended.used_by, ended.cost)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        if ended.first_chunk is not None:
            to.first_chunk(ended.series, ended.first_chunk)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    for record in ended.recorders:
        try:
            record(ended)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
