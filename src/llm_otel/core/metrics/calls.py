"""How calls are counted in the product's metrics: duration, errors, tokens, cost, first chunk."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from opentelemetry.context import Context

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR, Cell, Slot
from llm_otel.core.metrics.series import Series

if TYPE_CHECKING:
    from llm_otel.base.otel_internals import Point
    from llm_otel.core.metrics.measurement import Measurement
    from llm_otel.core.metrics.table import InstrumentTable
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

_INPUT_TOKENS = Slot(semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.INPUT})
_OUTPUT_TOKENS = Slot(semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.OUTPUT})
_CACHE_READ = Slot(semconv.TOKENS_CACHED, {semconv.CACHE: semconv.READ})
_CACHE_WRITE = Slot(semconv.TOKENS_CACHED, {semconv.CACHE: semconv.WRITE})
_REASONING = Slot(semconv.TOKENS_REASONING)
_INPUT_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.INPUT})
_OUTPUT_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.OUTPUT})
_OTHER_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.OTHER})
_UNPRICED = Slot(semconv.REQUESTS_UNPRICED)
_UNKNOWN_USAGE = Slot(semconv.USAGE_UNKNOWN_TOTAL)
_ERRORS = {
    name: Slot(semconv.ERRORS, {semconv.ERROR_TYPE_LABEL: name}) for name in semconv.ERROR_CLASSES
}

_TOKEN_SLOTS = (_INPUT_TOKENS, _OUTPUT_TOKENS, _CACHE_READ, _CACHE_WRITE, _REASONING)
_token_amounts = attrgetter(
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"
)


class CallMetrics:
    """The series of calls, and what is counted on them. Thread-safe.

    Counters are pending, and only the duration carries an exemplar, which doubles the price of a
    record.

    Args:
        table: Whose instruments.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        self._counters = table.counters
        self._series: dict[tuple[str, str, str, str, str], Series] = {}
        self._active: dict[tuple[str, ...], list[int]] = {}
        for metric in (semconv.REQUEST_DURATION, semconv.TIME_TO_FIRST_CHUNK):
            table.histogram(metric)

    # ------------------------------------------------------------------ series
    def series(
        self, model: str, provider: str, operation: str, feature: str, tenant_id: str
    ) -> Series:
        """The series of a call, its labels folded into what the caps and forms allow."""
        # What is known by these very values needs no folding.
        known = self._series.get((model, provider, operation, feature, tenant_id))
        if known is not None:
            return known
        fold = self._table.labels.fold
        key = (
            fold(semconv.MODEL, model),
            fold(semconv.PROVIDER, provider),
            operation,
            fold(semconv.FEATURE, feature),
            fold(semconv.TENANT_ID, tenant_id),
        )
        known = self._series.get(key)
        return known if known is not None else self._new_series(key)

    def _new_series(self, key: tuple[str, str, str, str, str]) -> Series:
        with self._counters.lock:
            if len(self._series) >= semconv.MAX_COMBINATIONS:
                key = (semconv.OTHER, key[1], key[2], semconv.OTHER, semconv.OTHER)
                self._table.labels.overflow(semconv.TENANT_ID)
            known = self._series.get(key)
            if known is None:
                active = self._active.setdefault(key[:3], [0])
                known = Series(dict(zip(semconv.CALL_LABELS, key)), active)
                self._series[key] = known
            return known

    def _open(self, series: Series, slot: Slot) -> Cell:
        """A new cell of a series. Call with the lock held."""
        labels = {k: v for k, v in series.labels.items() if k in slot.metric.labels}
        cell = self._counters.open(slot.metric, {**labels, **slot.extra})
        series.cells[slot] = cell
        return cell

    def _put(self, series: Series, slot: Slot, amount: float) -> None:
        """Add to a cell of a series. Call with the lock held."""
        self._counters.put(series.cells.get(slot) or self._open(series, slot), amount)

    # ------------------------------------------------------------------ under way
    def begun(self, series: Series) -> None:
        """Count a call as active."""
        with self._counters.lock:
            series.active[0] += 1

    def withdrawn(self, series: Series) -> None:
        """No longer count a call as active: it is counted elsewhere."""
        with self._counters.lock:
            series.active[0] -= 1

    def active(self) -> list[tuple[tuple[str, ...], int]]:
        """Model, provider and operation of calls under way, and how many there are."""
        with self._counters.lock:
            return [(key, value[0]) for key, value in self._active.items()]

    # ------------------------------------------------------------------ ended
    def measure(self, call: Measurement) -> None:
        """Record the end of a call. A part that fails takes no other with it; in one function, as a
        call of each part would cost more than looking whether there is one."""
        series, context, seconds, first_chunk, error, _, _, bill, points, recorders = call
        try:
            self.ended(series, seconds, error, context)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
        try:
            used = bill.used
            if used is not None:
                self.used(bill.used_by, used)
            elif bill.usage_unknown:
                self.unknown_usage(series)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
        try:
            if bill.priced:
                self.cost(bill.used_by, bill.cost)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
        try:
            if first_chunk is not None:
                self.first_chunk(series, first_chunk)
        except Exception as exc:  # noqa: BLE001
            guard.handle("measure", exc)
        self.settle()
        if points is None:
            return
        for record in recorders:
            try:
                record(call, points)
            except Exception as exc:  # noqa: BLE001
                guard.handle("measure", exc)

    def settle(self) -> None:
        """Hand on what was counted, if nobody does so before a collection."""
        self._counters.settle()

    def ended(self, series: Series, seconds: float, error: str | None, context: Context) -> None:
        """Record the end of a call: duration (with exemplar), error; no longer active.

        Args:
            series: The call's.
            seconds: Its duration.
            error: Its class of error, or None.
            context: Holds the span that the exemplar leads to.
        """
        with self._counters.lock:
            series.active[0] -= 1
            if error is not None:
                self._put(series, _ERRORS[error], 1)
        durations = series.durations.get(error)
        if durations is None:
            durations = self._durations(series, error)
        durations.record(seconds, context or NO_EXEMPLAR)

    def _durations(self, series: Series, error: str | None) -> Point:
        """Where durations are counted, within the cap of combinations."""
        extra = {semconv.ERROR_TYPE_LABEL: error} if error is not None else {}
        with self._counters.lock:
            labels = self._counters.combinations.admit(
                semconv.REQUEST_DURATION, {**series.labels, **extra}
            )
        point = series.durations[error] = self._table.point(semconv.REQUEST_DURATION, labels)
        return point

    def used(self, series: Series, usage: Usage) -> None:
        """Count tokens."""
        put, cells = self._counters.put, series.cells
        with self._counters.lock:
            for slot, amount in zip(_TOKEN_SLOTS, _token_amounts(usage)):
                if amount:
                    put(cells.get(slot) or self._open(series, slot), amount)

    def cost(self, series: Series, cost: Cost | None) -> None:
        """Count a call's cost; None counts it as unpriced."""
        put, cells = self._counters.put, series.cells
        with self._counters.lock:
            if cost is None or cost.incomplete:
                self._put(series, _UNPRICED, 1)
            if cost is not None:
                for amount, slot in (
                    (cost.input, _INPUT_COST),
                    (cost.output, _OUTPUT_COST),
                    (cost.other, _OTHER_COST),
                ):
                    if amount:
                        put(cells.get(slot) or self._open(series, slot), amount)

    def unknown_usage(self, series: Series) -> None:
        """Count a call that should have reported its usage and did not."""
        with self._counters.lock:
            self._put(series, _UNKNOWN_USAGE, 1)

    def first_chunk(self, series: Series, seconds: float) -> None:
        """Record the time to the first chunk."""
        if series.first_chunks is None:
            series.first_chunks = self._table.point(semconv.TIME_TO_FIRST_CHUNK, series.labels)
        series.first_chunks.record(seconds, NO_EXEMPLAR)
