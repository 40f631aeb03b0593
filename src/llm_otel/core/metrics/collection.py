"""What has to be done before a reader collects, so that what has ended is in the collection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import finalizers

if TYPE_CHECKING:
    from llm_otel.core.metrics.backlog import Backlog
    from llm_otel.core.metrics.table import InstrumentTable
    from llm_otel.pricing import Pricing

# How long a collection waits for the price table, in the thread that collects (s).
_PRICES_WAIT = 1.0


def prepare(table: InstrumentTable, backlog: Backlog, pricing: Pricing | None) -> None:
    """Hand everything that waits to the SDK's instruments. Runs in the reader's thread.

    The order matters: an end may leave a measurement and a cost, a cost and a measurement are
    counted, and counters are handed on last.

    Args:
        table: Whose pending counters are handed on.
        backlog: Calls that wait to be measured.
        pricing: Its table is waited for, so that a process that makes one call and exits has its
            cost in its only collection.
    """
    finalizers.settle()
    if pricing is not None:
        pricing.wait(_PRICES_WAIT)
    for label, amount in table.labels.drain().items():
        table.count(semconv.LABELS_OVERFLOWED, amount, label=label)
    if backlog.work_off():
        # Prometheus counts what a series begins with only if it began a millisecond before.
        time.sleep(0.001)
    table.counters.flush()
