"""All that measures on one meter, in one object."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.metrics import Meter, Observation

from llm_otel import semconv
from llm_otel.base import fork
from llm_otel.base.otel_internals import forget_measurements
from llm_otel.core.headroom import Headroom
from llm_otel.core.labels import Labels
from llm_otel.core.metrics import collection, observed
from llm_otel.core.metrics.backlog import Backlog
from llm_otel.core.metrics.calls import CallMetrics
from llm_otel.core.metrics.table import InstrumentTable

if TYPE_CHECKING:
    from llm_otel.pricing import Pricing


class Instruments:
    """What measures on one meter, and what waits for its readers.

    One object serves a meter for good: the SDK drops the callback of an observable that is
    registered twice, so `for_meter` hands out the same object after an `uninstrument()`.

    Attributes:
        table: Counters and histograms.
        calls: How calls are counted; new in a forked child, as are the next two.
        backlog: Calls that wait to be measured.
        headroom: Rate limits from response headers.
        pricing: Its age and version are observed.
        epoch: Counts the forks between the process that made this and the one that runs.
    """

    calls: CallMetrics
    backlog: Backlog
    headroom: Headroom

    def __init__(self, meter: Meter, *, deferred: bool, labels: Labels) -> None:
        self._deferred = deferred
        self.table = InstrumentTable(meter, labels, deferred=deferred)
        self.pricing: Pricing | None = None
        self.epoch = 0
        self._begin()
        self._observe(meter)
        fork.after_in_child(self._after_fork)

    def _begin(self) -> None:
        self.calls = CallMetrics(self.table)
        self.backlog = Backlog(self.calls.measure, deferred=self._deferred)
        self.headroom = Headroom()

    # ------------------------------------------------------------------ collection
    def _observe(self, meter: Meter) -> None:
        # The SDK runs callbacks in the order in which their instruments were created, and all of
        # them before it reads a counter or histogram: the first prepares the collection.
        observed.observe(meter, semconv.REQUESTS_ACTIVE, self._first_callback)
        observed.observe(meter, semconv.PRICES_AGE, lambda: observed.prices_age(self.pricing))
        observed.observe(
            meter, semconv.PRICES_VERSION, lambda: observed.prices_version(self.pricing)
        )
        for metric in semconv.RATELIMITS:
            observed.observe(meter, metric, partial(self._ratelimit, metric))

    def _first_callback(self) -> Iterator[Observation]:
        collection.prepare(self.table, self.backlog, self.pricing)
        return observed.active(self.calls)

    def _ratelimit(self, metric: semconv.Metric) -> Iterator[Observation]:
        return observed.ratelimit(self.headroom, metric)

    # ------------------------------------------------------------------ fork
    def _after_fork(self) -> None:
        """A child counts from 0: forget our sums, and what the SDK holds of them."""
        self.epoch += 1
        self.table.forget()
        self._begin()
        forget_measurements(self.table.histogram(semconv.REQUEST_DURATION), semconv.SCOPE)


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
        known = _by_provider.get(owner)
        if known is None:
            # Only OpenTelemetry's own SDK (and the API's proxies for it) is known to run the
            # observables' callbacks before each collection.
            deferred = type(meter).__module__.startswith("opentelemetry.")
            known = _by_provider[owner] = Instruments(meter, deferred=deferred, labels=labels)
        known.table.labels = labels
        return known
