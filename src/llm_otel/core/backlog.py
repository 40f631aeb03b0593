"""What calls leave to be measured waits a little, so that much is measured in a row.

Between two calls of an application, code and data of the metrics SDK drop out of the processor's
caches, and recording costs half as much again as in a row. What is exported is the same: a
collection works the rest off first. Exemplars get the time at which they are worked off.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from llm_otel.base import guard

if TYPE_CHECKING:
    from llm_otel.core.instruments import Instruments
    from llm_otel.core.record import Measurement

# More in a row saves nothing more, and this takes less than a millisecond of the call that works
# it off.
_MOST = 16


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
            _measure(self._instruments, call)
        return worked


def _measure(to: Instruments, call: Measurement) -> None:
    """Record the end of a call. A part that fails takes no other with it; in one function, as a
    call of each part would cost more than looking whether there is one."""
    series, bill = call.series, call.bill
    try:
        to.ended(series, call.seconds, call.error, call.context)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        used = bill.used
        if used is not None:
            to.used(bill.used_by, used)
        elif bill.usage_unknown:
            to.unknown_usage(series)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        if bill.priced:
            to.cost(bill.used_by, bill.cost)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    try:
        first_chunk = call.first_chunk
        if first_chunk is not None:
            to.first_chunk(series, first_chunk)
    except Exception as exc:  # noqa: BLE001
        guard.handle("measure", exc)
    family = call.family
    if family is None:
        return
    for record in call.recorders:
        try:
            record(call, family)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
