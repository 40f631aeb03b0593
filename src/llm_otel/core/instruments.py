"""The instruments, and the table that keeps their cost off the caller's thread.

A counter's `add` costs about as much as a tenth of a whole call, and a call has up to ten of them.
So counters are summed in `Cell`s here and handed to the SDK's own synchronous counters when a
reader collects (the SDK runs the callbacks of observable instruments before it reads the others).
What is exported is the same. Up-down counters and gauges are read from the table by observables.
Histograms have to see each value: they are recorded at once, and only the duration carries an
exemplar (an exemplar doubles the price of a record).
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from llm_otel import semconv
from llm_otel.core import fork
from llm_otel.core.headroom import Headroom
from llm_otel.core.labels import Labels

if TYPE_CHECKING:
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

# Not empty, as the SDK takes an empty context for "the current one"; holds no span: no exemplar.
_NO_EXEMPLAR = Context({"llm_otel.exemplar": False})


class Slot:
    """One place in a series: a counter, and the value of its last label if it has one more."""

    __slots__ = ("extra", "metric")

    def __init__(self, metric: semconv.Metric, extra: dict[str, str] | None = None) -> None:
        self.metric = metric
        self.extra = extra or {}


INPUT_TOKENS = Slot(semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.INPUT})
OUTPUT_TOKENS = Slot(semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.OUTPUT})
CACHE_READ = Slot(semconv.TOKENS_CACHED, {semconv.CACHE: semconv.READ})
CACHE_WRITE = Slot(semconv.TOKENS_CACHED, {semconv.CACHE: semconv.WRITE})
REASONING = Slot(semconv.TOKENS_REASONING)
INPUT_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.INPUT})
OUTPUT_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.OUTPUT})
OTHER_COST = Slot(semconv.COST, {semconv.TOKEN_TYPE: semconv.OTHER})
UNPRICED = Slot(semconv.REQUESTS_UNPRICED)
UNKNOWN_USAGE = Slot(semconv.USAGE_UNKNOWN_TOTAL)
ERRORS = {
    name: Slot(semconv.ERRORS, {semconv.ERROR_TYPE_LABEL: name}) for name in semconv.ERROR_CLASSES
}

_TOKEN_SLOTS: tuple[tuple[str, Slot], ...] = (
    ("input_tokens", INPUT_TOKENS),
    ("output_tokens", OUTPUT_TOKENS),
    ("cache_read_tokens", CACHE_READ),
    ("cache_write_tokens", CACHE_WRITE),
    ("reasoning_tokens", REASONING),
)


class Cell:
    """A sum that waits for the next collection."""

    __slots__ = ("attributes", "counter", "pending")

    def __init__(self, counter: Counter, attributes: dict[str, str]) -> None:
        self.counter = counter
        self.attributes = attributes
        self.pending: float = 0


class Series:
    """The labels that all measurements of one kind of call share, and their cells."""

    __slots__ = ("active", "b_attributes", "cells", "durations", "labels")

    def __init__(self, labels: dict[str, str], active: list[int]) -> None:
        self.labels = labels
        self.active = active
        self.cells: dict[Slot, Cell] = {}
        self.durations: dict[str | None, dict[str, str]] = {}
        self.b_attributes: dict[tuple[object, ...], dict[str, Any]] = {}


class Instruments:
    """All instruments of one meter, with the sums that wait for its readers.

    One object serves a meter for good: the SDK drops the callback of an observable that is
    registered twice, so `for_meter` hands out the same object after an `uninstrument()`.
    """

    def __init__(self, meter: Meter, *, deferred: bool, labels: Labels) -> None:
        self.labels = labels
        self._deferred = deferred
        self._meter = meter
        self._lock = threading.Lock()
        self._created: dict[semconv.Metric, Any] = {}
        self.prices: Callable[[], tuple[str | None, float | None]] = lambda: (None, None)
        self.epoch = 0
        self._clear()
        self._register()
        fork.after_in_child(self._after_fork)

    # ------------------------------------------------------------------ series and cells
    def series(
        self, model: str, provider: str, operation: str, feature: str, tenant_id: str
    ) -> Series:
        """The series of a call, its labels folded into what the caps and forms allow."""
        fold = self.labels.fold
        key = (
            fold(semconv.MODEL, model),
            fold(semconv.PROVIDER, provider),
            operation,
            fold(semconv.FEATURE, feature),
            fold(semconv.TENANT_ID, tenant_id),
        )
        found = self._series.get(key)
        return found if found is not None else self._new_series(key)

    def _new_series(self, key: tuple[str, str, str, str, str]) -> Series:
        with self._lock:
            if len(self._series) >= semconv.MAX_COMBINATIONS:
                key = (semconv.OTHER, key[1], key[2], semconv.OTHER, semconv.OTHER)
                self.labels.overflow(semconv.TENANT_ID)
            found = self._series.get(key)
            if found is None:
                active = self._active.setdefault(key[:3], [0])
                found = Series(dict(zip(semconv.CALL_LABELS, key)), active)
                self._series[key] = found
            return found

    def _cell(self, series: Series, slot: Slot) -> Cell:
        """The cell of a series, opened on first sight. Call with the lock held."""
        found = series.cells.get(slot)
        if found is None:
            labels = {k: v for k, v in series.labels.items() if k in slot.metric.labels}
            found = self._open(slot.metric, {**labels, **slot.extra})
            series.cells[slot] = found
        return found

    def _open(self, metric: semconv.Metric, attributes: dict[str, str]) -> Cell:
        """A new cell. Its first `add(0)` sets the start time *before* the value is collected:
        Prometheus counts what a counter is born with only from its start time on."""
        key = (metric, *attributes.values())
        found = self._cells.get(key)
        if found is not None:
            return found
        if self._combinations.setdefault(metric, 0) >= semconv.MAX_COMBINATIONS:
            folded = (semconv.MODEL, semconv.FEATURE, semconv.TENANT_ID)
            attributes = {k: semconv.OTHER if k in folded else v for k, v in attributes.items()}
            key = (metric, *attributes.values())
            if key in self._cells:
                return self._cells[key]
        self._combinations[metric] += 1
        cell = self._cells[key] = Cell(self._counter(metric), attributes)
        cell.counter.add(0, attributes, _NO_EXEMPLAR)
        self._opened_ms = time.time_ns() // 1_000_000
        return cell

    def _put(self, cell: Cell, amount: float) -> None:
        """Add to a cell. Call with the lock held."""
        if not cell.pending:
            self._dirty.append(cell)
        cell.pending += amount

    def flush(self) -> None:
        """Hand the waiting sums to the SDK's counters."""
        with self._lock:
            dirty, self._dirty = self._dirty, []
            waiting = [(cell, cell.pending) for cell in dirty]
            for cell in dirty:
                cell.pending = 0
            opened_ms = self._opened_ms
        # A start time in the same millisecond as the sample is no start time for Prometheus.
        if waiting and time.time_ns() // 1_000_000 <= opened_ms:
            time.sleep(0.001)
        for cell, amount in waiting:
            cell.counter.add(amount, cell.attributes, _NO_EXEMPLAR)

    # ------------------------------------------------------------------ recording
    def begun(self, series: Series) -> None:
        """Count a call as active."""
        with self._lock:
            series.active[0] += 1

    def ended(self, series: Series, seconds: float, error: str | None, context: Context) -> None:
        """Record the end of a call: duration (with exemplar), error; no longer active.

        Args:
            series: The call's.
            seconds: Its duration.
            error: Its class of error, or None.
            context: Holds the span that the exemplar leads to.
        """
        attributes = series.durations.get(error)
        if attributes is None:
            attributes = self._duration_attributes(series, error)
        with self._lock:
            series.active[0] -= 1
            if error is not None:
                self._put(self._cell(series, ERRORS[error]), 1)
        self._duration.record(seconds, attributes, context or _NO_EXEMPLAR)
        if not self._deferred:
            self.flush()

    def _duration_attributes(self, series: Series, error: str | None) -> dict[str, str]:
        """Attributes of the duration; over the cap the labels that vary most become `other`."""
        labels = series.labels
        with self._lock:
            seen = self._combinations.setdefault(semconv.REQUEST_DURATION, 0)
            self._combinations[semconv.REQUEST_DURATION] = seen + 1
        if seen >= semconv.MAX_COMBINATIONS:
            folded = (semconv.MODEL, semconv.FEATURE, semconv.TENANT_ID)
            labels = {k: semconv.OTHER if k in folded else v for k, v in labels.items()}
        extra = {semconv.ERROR_TYPE_LABEL: error} if error is not None else {}
        attributes = series.durations[error] = {**labels, **extra}
        return attributes

    def used(self, series: Series, usage: Usage) -> None:
        """Count tokens."""
        with self._lock:
            for name, slot in _TOKEN_SLOTS:
                amount = getattr(usage, name)
                if amount:
                    self._put(self._cell(series, slot), amount)
        if not self._deferred:
            self.flush()

    def cost(self, series: Series, cost: Cost | None) -> None:
        """Count a call's cost; None counts it as unpriced."""
        with self._lock:
            if cost is None or cost.incomplete:
                self._put(self._cell(series, UNPRICED), 1)
            if cost is not None:
                for amount, slot in (
                    (cost.input, INPUT_COST),
                    (cost.output, OUTPUT_COST),
                    (cost.other, OTHER_COST),
                ):
                    if amount:
                        self._put(self._cell(series, slot), amount)
        if not self._deferred:
            self.flush()

    def unknown_usage(self, series: Series) -> None:
        """Count a call that should have reported its usage and did not."""
        with self._lock:
            self._put(self._cell(series, UNKNOWN_USAGE), 1)

    def first_chunk(self, series: Series, seconds: float) -> None:
        """Record the time to the first chunk."""
        self._first_chunk.record(seconds, series.labels, _NO_EXEMPLAR)

    def count(self, metric: semconv.Metric, amount: float, **labels: str) -> None:
        """Add to a counter of family A outside a call (outcomes, internal errors)."""
        with self._lock:
            self._put(self._open(metric, labels), amount)
        if not self._deferred:
            self.flush()

    def score(
        self, evaluation: str, model: str, feature: str, tenant_id: str, value: float
    ) -> None:
        """Record an evaluation score between 0 and 1."""
        fold = self.labels.fold
        attributes = {
            semconv.EVALUATION: fold(semconv.EVALUATION, evaluation),
            semconv.MODEL: fold(semconv.MODEL, model),
            semconv.FEATURE: fold(semconv.FEATURE, feature),
            semconv.TENANT_ID: fold(semconv.TENANT_ID, tenant_id),
        }
        self.histogram(semconv.EVALUATION_SCORE).record(value, attributes, _NO_EXEMPLAR)

    def outcome(
        self, success: bool, kind: str, feature: str, tenant_id: str, value_usd: float | None
    ) -> None:
        """Count an outcome, and its value in USD where one is given."""
        fold = self.labels.fold
        labels = {
            semconv.KIND: fold(semconv.KIND, kind),
            semconv.FEATURE: fold(semconv.FEATURE, feature),
            semconv.TENANT_ID: fold(semconv.TENANT_ID, tenant_id),
        }
        outcome = semconv.SUCCESS if success else semconv.FAILURE
        self.count(semconv.OUTCOMES, 1, **{semconv.OUTCOME: outcome}, **labels)
        if value_usd is not None:
            self.count(semconv.OUTCOME_VALUE_USD, value_usd, **labels)

    def step_duration(
        self, metric: semconv.Metric, seconds: float, attributes: dict[str, Any]
    ) -> None:
        """Record how long an agent, a tool or a workflow took."""
        self.histogram(metric).record(seconds, attributes, _NO_EXEMPLAR)

    def record(self, metric: semconv.Metric, value: float, attributes: dict[str, Any]) -> None:
        """Record into a histogram of family B, or add to a counter of it."""
        if metric.kind == "histogram":
            self.histogram(metric).record(value, attributes, _NO_EXEMPLAR)
        else:
            self._counter(metric).add(value, attributes, _NO_EXEMPLAR)

    # ------------------------------------------------------------------ creation
    def histogram(self, metric: semconv.Metric) -> Histogram:
        """The histogram of a metric, created on first use."""
        found = self._created.get(metric)
        if found is None:
            found = self._created[metric] = self._meter.create_histogram(
                metric.name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )
        return found  # type: ignore[no-any-return]

    def _counter(self, metric: semconv.Metric) -> Counter:
        found = self._created.get(metric)
        if found is None:
            found = self._created[metric] = self._meter.create_counter(
                metric.name, metric.unit, metric.description
            )
        return found  # type: ignore[no-any-return]

    def _register(self) -> None:
        self._duration = self.histogram(semconv.REQUEST_DURATION)
        self._first_chunk = self.histogram(semconv.TIME_TO_FIRST_CHUNK)
        observe: list[tuple[semconv.Metric, Callable[[], Iterable[Observation]]]] = [
            (semconv.REQUESTS_ACTIVE, self._observe_active),
            (semconv.PRICES_AGE, self._observe_age),
            (semconv.PRICES_VERSION, self._observe_version),
        ]
        observe += [
            (metric, lambda metric=metric: self._observe_headroom(metric))  # type: ignore[misc]
            for metric in semconv.RATELIMITS
        ]
        for metric, read in observe:
            create = (
                self._meter.create_observable_up_down_counter
                if metric.kind == "updown"
                else self._meter.create_observable_gauge
            )
            create(metric.name, [_callback(read)], metric.unit, metric.description)

    # ------------------------------------------------------------------ observation
    def _observe_active(self) -> Iterator[Observation]:
        self._flush_overflow()
        self.flush()
        with self._lock:
            active = [(key, value[0]) for key, value in self._active.items()]
        for key, value in active:
            yield Observation(value, dict(zip(semconv.REQUESTS_ACTIVE.labels, key)))

    def _flush_overflow(self) -> None:
        for label, amount in self.labels.drain().items():
            self.count(semconv.LABELS_OVERFLOWED, amount, label=label)

    def _observe_headroom(self, metric: semconv.Metric) -> Iterator[Observation]:
        for provider, model, value in self.headroom.read(metric):
            yield Observation(value, {semconv.PROVIDER: provider, semconv.MODEL: model})

    def _observe_age(self) -> Iterator[Observation]:
        age = self.prices()[1]
        if age is not None:
            yield Observation(age)

    def _observe_version(self) -> Iterator[Observation]:
        version = self.prices()[0]
        if version is not None:
            yield Observation(1, {semconv.VERSION: version})

    # ------------------------------------------------------------------ fork
    def _clear(self) -> None:
        self._series: dict[tuple[str, str, str, str, str], Series] = {}
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._combinations: dict[semconv.Metric, int] = {}
        self._dirty: list[Cell] = []
        self._active: dict[tuple[str, ...], list[int]] = {}
        self.headroom = Headroom()
        self._opened_ms = 0

    def _after_fork(self) -> None:
        """A child counts from 0: forget our sums, and what the SDK holds of them."""
        self._lock = threading.Lock()
        self.epoch += 1
        self._clear()
        fork.forget_measurements(self._duration)


def _callback(
    read: Callable[[], Iterable[Observation]],
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return read()

    return observe


_by_provider: weakref.WeakKeyDictionary[object, Instruments] = weakref.WeakKeyDictionary()
_registry_lock = threading.Lock()


def for_meter(owner: object, meter: Meter, labels: Labels) -> Instruments:
    """The instruments of a meter; the same ones again for the same `owner` (its provider).

    Args:
        owner: The meter provider, or one stand-in for "the global one", before and after it is set.
        meter: Where to create the instruments.
        labels: Caps and forms; replace those of an earlier call.
    """
    with _registry_lock:
        found = _by_provider.get(owner)
        if found is None:
            # Only OpenTelemetry's own SDK (and the API's proxies for it) is known to run the
            # observables' callbacks before each collection.
            deferred = type(meter).__module__.startswith("opentelemetry.")
            found = _by_provider[owner] = Instruments(meter, deferred=deferred, labels=labels)
        found.labels = labels
        return found
