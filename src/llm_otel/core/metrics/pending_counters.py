"""Counters, summed here and handed to the SDK when a reader collects.

A counter's `add` costs about as much as a tenth of a whole call, and a call has up to ten of them.
The SDK runs the callbacks of observable instruments before it reads the synchronous ones, so what
is exported is the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Counter

from llm_otel import semconv
from llm_otel.base import guard

# Not empty, as the SDK takes an empty context for "the current one"; holds no span: no exemplar.
NO_EXEMPLAR = Context({"llm_otel.exemplar": False})

# The labels that vary most: over the cap of combinations they become `other`.
_FOLDED = frozenset(
    {
        semconv.MODEL,
        semconv.FEATURE,
        semconv.TENANT_ID,
        semconv.REQUEST_MODEL,
        semconv.RESPONSE_MODEL,
        semconv.WORKFLOW_NAME,
        semconv.AGENT_NAME,
        semconv.TOOL_NAME,
        semconv.STEP,
    }
)
# These are left out then.
_DROPPED = frozenset({semconv.SERVER_ADDRESS, semconv.SERVER_PORT})


class Slot:
    """One place in a series: a counter, and the value of its last label if it has one more."""

    __slots__ = ("extra", "metric")

    def __init__(self, metric: semconv.Metric, extra: dict[str, str] | None = None) -> None:
        self.metric = metric
        self.extra = extra or {}


class Cell:
    """A sum that waits for the next collection."""

    __slots__ = ("attributes", "counter", "pending")

    def __init__(self, counter: Counter, attributes: dict[str, str]) -> None:
        self.counter = counter
        self.attributes = attributes
        self.pending: float = 0


class Combinations:
    """How many sets of labels each instrument has; holds them below the SDK's own limit."""

    def __init__(self) -> None:
        self._seen: dict[semconv.Metric, int] = {}

    def admit(self, metric: semconv.Metric, labels: dict[str, Any]) -> dict[str, Any]:
        """A new set of labels, or a coarser one once the instrument has too many."""
        seen = self._seen.get(metric, 0)
        if seen >= semconv.MAX_COMBINATIONS:
            return {
                k: semconv.OTHER if k in _FOLDED else v
                for k, v in labels.items()
                if k not in _DROPPED
            }
        self._seen[metric] = seen + 1
        return labels


class PendingCounters:
    """The table of sums.

    Args:
        counter: Gives the counter of a metric.
        deferred: False where nobody is known to call `flush` before a collection: every change is
            handed on at once.
    """

    def __init__(self, counter: Callable[[semconv.Metric], Counter], *, deferred: bool) -> None:
        self.lock = threading.Lock()
        self.combinations = Combinations()
        self._counter = counter
        self._deferred = deferred
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._dirty: list[Cell] = []
        self._opened_ms = 0

    def open(self, metric: semconv.Metric, labels: dict[str, str]) -> Cell:
        """The cell of a metric and its labels. Call with the lock held.

        The first `add(0)` sets the start time *before* the value is collected: Prometheus counts
        what a counter is born with only from its start time on.
        """
        key = (metric, *labels.values())
        found = self._cells.get(key)
        if found is not None:
            return found
        admitted = self.combinations.admit(metric, labels)
        if admitted is not labels:
            key = (metric, *admitted.values())
            if key in self._cells:
                return self._cells[key]
        cell = self._cells[key] = Cell(self._counter(metric), admitted)
        cell.counter.add(0, admitted, NO_EXEMPLAR)
        self._opened_ms = time.time_ns() // 1_000_000
        return cell

    def put(self, cell: Cell, amount: float) -> None:
        """Add to a cell. Call with the lock held, and `settle` after it."""
        if not cell.pending:
            self._dirty.append(cell)
        cell.pending += amount

    def add(self, metric: semconv.Metric, amount: float, labels: dict[str, str]) -> None:
        """Add to a counter that belongs to no series."""
        with self.lock:
            self.put(self.open(metric, labels), amount)
        self.settle()

    def settle(self) -> None:
        """Hand the sums on, if nobody else will."""
        if not self._deferred:
            self.flush()

    def flush(self) -> None:
        """Hand the waiting sums to the SDK's counters."""
        with self.lock:
            dirty, self._dirty = self._dirty, []
            waiting = [(cell, cell.pending) for cell in dirty]
            for cell in dirty:
                cell.pending = 0
            opened_ms = self._opened_ms
        # A start time in the same millisecond as the sample is no start time for Prometheus.
        if waiting and self._deferred and time.time_ns() // 1_000_000 <= opened_ms:
            time.sleep(0.001)
        for cell, amount in waiting:
            try:
                cell.counter.add(amount, cell.attributes, NO_EXEMPLAR)
            except Exception as exc:  # noqa: BLE001
                guard.handle("count", exc)
