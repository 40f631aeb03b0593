"""The instruments of family A, and how a call is recorded on them.

Counters are summed in `sums`. Up-down counters and gauges are read from tables by observables.
Histograms have to see each value, and only the duration carries an exemplar, which doubles the
price of a record. What a call records waits in a `Backlog`: nothing is recorded at once.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from llm_otel import semconv
from llm_otel.base import finalizers, fork
from llm_otel.base.otel_internals import Point, forget_measurements
from llm_otel.core.backlog import Backlog, Ended
from llm_otel.core.headroom import Headroom
from llm_otel.core.labels import Labels
from llm_otel.core.sums import NO_EXEMPLAR, Cell, Slot, Sums

if TYPE_CHECKING:
    from llm_otel.core.family_b import Family
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

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

_TOKEN_SLOTS = (INPUT_TOKENS, OUTPUT_TOKENS, CACHE_READ, CACHE_WRITE, REASONING)
_token_amounts = attrgetter(
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"
)

_STEP_NAMES = (semconv.WORKFLOW_NAME, semconv.AGENT_NAME, semconv.TOOL_NAME)


class Series:
    """The labels that all measurements of one kind of call share, and their cells."""

    __slots__ = ("active", "cells", "durations", "families", "first_chunks", "labels")

    def __init__(self, labels: dict[str, str], active: list[int]) -> None:
        self.labels = labels
        self.active = active
        self.cells: dict[Slot, Cell] = {}
        self.durations: dict[str | None, Point] = {}
        self.first_chunks: Point | None = None
        self.families: dict[tuple[object, ...], Family] = {}


class Instruments:
    """All instruments of one meter, with the sums that wait for its readers.

    One object serves a meter for good: the SDK drops the callback of an observable that is
    registered twice, so `for_meter` hands out the same object after an `uninstrument()`.
    """

    def __init__(self, meter: Meter, *, deferred: bool, labels: Labels) -> None:
        self.labels = labels
        self._deferred = deferred
        self._meter = meter
        self._created: dict[semconv.Metric, Any] = {}
        self.prices: Callable[[], tuple[str | None, float | None]] = lambda: (None, None)
        # Called before each collection, in the reader's thread.
        self.before_collection: Callable[[], object] = lambda: None
        self.epoch = 0
        self._clear()
        self._register()
        fork.after_in_child(self._after_fork)

    # ------------------------------------------------------------------ series and cells
    def series(
        self, model: str, provider: str, operation: str, feature: str, tenant_id: str
    ) -> Series:
        """The series of a call, its labels folded into what the caps and forms allow."""
        # What is known by these very values needs no folding.
        found = self._series.get((model, provider, operation, feature, tenant_id))
        if found is not None:
            return found
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
        with self._sums.lock:
            if len(self._series) >= semconv.MAX_COMBINATIONS:
                key = (semconv.OTHER, key[1], key[2], semconv.OTHER, semconv.OTHER)
                self.labels.overflow(semconv.TENANT_ID)
            found = self._series.get(key)
            if found is None:
                active = self._active.setdefault(key[:3], [0])
                found = Series(dict(zip(semconv.CALL_LABELS, key)), active)
                self._series[key] = found
            return found

    def _put(self, series: Series, slot: Slot, amount: float) -> None:
        """Add to a series' cell, opened on first sight. Call with the lock held."""
        cell = series.cells.get(slot)
        if cell is None:
            labels = {k: v for k, v in series.labels.items() if k in slot.metric.labels}
            cell = self._sums.open(slot.metric, {**labels, **slot.extra})
            series.cells[slot] = cell
        self._sums.put(cell, amount)

    # ------------------------------------------------------------------ recording
    def later(self, ended: Ended) -> None:
        """Have the end of a call recorded before the next collection."""
        self._backlog.put(ended)

    def begun(self, series: Series) -> None:
        """Count a call as active."""
        with self._sums.lock:
            series.active[0] += 1

    def ended(self, series: Series, seconds: float, error: str | None, context: Context) -> None:
        """Record the end of a call: duration (with exemplar), error; no longer active.

        Args:
            series: The call's.
            seconds: Its duration.
            error: Its class of error, or None.
            context: Holds the span that the exemplar leads to.
        """
        with self._sums.lock:
            series.active[0] -= 1
            if error is not None:
                self._put(series, ERRORS[error], 1)
        self._sums.settle()
        durations = series.durations.get(error)
        if durations is None:
            durations = self._durations(series, error)
        durations.record(seconds, context or NO_EXEMPLAR)

    def _durations(self, series: Series, error: str | None) -> Point:
        """Where durations are counted, within the cap of combinations."""
        extra = {semconv.ERROR_TYPE_LABEL: error} if error is not None else {}
        with self._sums.lock:
            admitted = self._sums.combinations.admit(
                semconv.REQUEST_DURATION, {**series.labels, **extra}
            )
        found = series.durations[error] = self.point(semconv.REQUEST_DURATION, admitted)
        return found

    def used(self, series: Series, usage: Usage) -> None:
        """Count tokens."""
        with self._sums.lock:
            for slot, amount in zip(_TOKEN_SLOTS, _token_amounts(usage)):
                if amount:
                    self._put(series, slot, amount)
        self._sums.settle()

    def cost(self, series: Series, cost: Cost | None) -> None:
        """Count a call's cost; None counts it as unpriced."""
        with self._sums.lock:
            if cost is None or cost.incomplete:
                self._put(series, UNPRICED, 1)
            if cost is not None:
                for amount, slot in (
                    (cost.input, INPUT_COST),
                    (cost.output, OUTPUT_COST),
                    (cost.other, OTHER_COST),
                ):
                    if amount:
                        self._put(series, slot, amount)
        self._sums.settle()

    def unknown_usage(self, series: Series) -> None:
        """Count a call that should have reported its usage and did not."""
        with self._sums.lock:
            self._put(series, UNKNOWN_USAGE, 1)
        self._sums.settle()

    def first_chunk(self, series: Series, seconds: float) -> None:
        """Record the time to the first chunk."""
        if series.first_chunks is None:
            series.first_chunks = self.point(semconv.TIME_TO_FIRST_CHUNK, series.labels)
        series.first_chunks.record(seconds, NO_EXEMPLAR)

    def count(self, metric: semconv.Metric, amount: float, **labels: str) -> None:
        """Add to a counter of family A outside a call (outcomes, internal errors)."""
        self._sums.add(metric, amount, labels)

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
        self.histogram(semconv.EVALUATION_SCORE).record(value, attributes, NO_EXEMPLAR)

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
        for name in _STEP_NAMES:
            if name in attributes:
                attributes[name] = self.labels.fold(name, attributes[name])
        self.histogram(metric).record(seconds, self.admitted(metric, attributes), NO_EXEMPLAR)

    def admitted(self, metric: semconv.Metric, attributes: dict[str, Any]) -> dict[str, Any]:
        """The attributes, or coarser ones once the metric has too many sets of them."""
        key = (metric, *attributes.items())
        if key in self._admitted:
            return attributes
        with self._sums.lock:
            found = self._sums.combinations.admit(metric, attributes)
        if found is attributes:
            self._admitted.add(key)
        return found

    def point(self, metric: semconv.Metric, attributes: dict[str, Any]) -> Point:
        """A histogram at one set of attributes: strings and ints that never change."""
        return Point(self.histogram(metric), attributes)

    def add(self, metric: semconv.Metric, amount: float, attributes: dict[str, Any]) -> None:
        """Add to a counter of family B."""
        self._counter(metric).add(amount, attributes, NO_EXEMPLAR)

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
        return found

    def _counter(self, metric: semconv.Metric) -> Counter:
        found = self._created.get(metric)
        if found is None:
            found = self._created[metric] = self._meter.create_counter(
                metric.name, metric.unit, metric.description
            )
        return found

    def _register(self) -> None:
        for metric in (semconv.REQUEST_DURATION, semconv.TIME_TO_FIRST_CHUNK):
            self.histogram(metric)
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
        finalizers.settle()
        self.before_collection()
        self._flush_overflow()
        if self._backlog.work_off():
            # Prometheus counts what a series begins with only if it began a millisecond before.
            time.sleep(0.001)
        self._sums.flush()
        with self._sums.lock:
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
        self._sums = Sums(self._counter, deferred=self._deferred)
        self._backlog = Backlog(self, deferred=self._deferred)
        self._series: dict[tuple[str, str, str, str, str], Series] = {}
        self._active: dict[tuple[str, ...], list[int]] = {}
        self._admitted: set[tuple[object, ...]] = set()
        self.headroom = Headroom()

    def _after_fork(self) -> None:
        """A child counts from 0: forget our sums, and what the SDK holds of them."""
        self.epoch += 1
        self._clear()
        forget_measurements(self.histogram(semconv.REQUEST_DURATION), semconv.SCOPE)


def _callback(
    read: Callable[[], Iterable[Observation]],
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return read()

    return observe


_by_provider: weakref.WeakKeyDictionary[object, Instruments] = weakref.WeakKeyDictionary()
_registry_lock = threading.Lock()
fork.renew(__name__, "_registry_lock", threading.Lock)


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
