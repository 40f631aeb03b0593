"""Shorter ways into the SDK's histograms and spans for attributes that are known to be clean.

`Histogram.record` checks and copies all attributes before it hands the measurement on; the SDK then
copies, sorts and hashes them to find where it counts, at every record: three quarters of what a
record costs, four times a call. Ours come from a cache and hold strings and ints only, so what they
lead to is looked up once. `Span.set_attributes` looks at each of the 20 attributes of a call in
Python, twice. The SDK has no public way for either; where anything is not as it is known here, the
public one is taken as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import time_ns
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span

_SDK = "opentelemetry.sdk.metrics._internal."


# ------------------------------------------------------------------ histograms
class _Measurement:
    """What the SDK's own is after its checks."""

    __slots__ = ("attributes", "context", "instrument", "time_unix_nano", "value")

    def __init__(
        self, value: float, instrument: Any, context: Context, attributes: dict[str, Any]
    ) -> None:
        self.value = value
        self.time_unix_nano = time_ns()
        self.instrument = instrument
        self.context = context
        self.attributes = attributes


class Point:
    """One histogram at one set of attributes; takes numbers that are finite and not negative.

    Args:
        histogram: The SDK's, the API's proxy for one that may come, or anybody else's.
        attributes: Strings and ints; never changed afterwards.
    """

    __slots__ = ("_aggregate", "_attributes", "_consumer", "_histogram", "_real", "_storages")

    def __init__(self, histogram: Histogram, attributes: dict[str, Any]) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._real: Any = None
        self._consumer: Any = None
        self._storages: object = None
        self._aggregate: tuple[Callable[[Any, bool], object], ...] | None = None

    def record(self, value: float, context: Context) -> None:
        """As of `Histogram.record`."""
        if self._real is None:
            self._look()
        consumer, attributes = self._consumer, self._attributes
        if consumer is None or not self._real._is_enabled():
            self._histogram.record(value, attributes, context)
            return
        measurement = _Measurement(value, self._real, context, attributes)
        # A reader that comes or goes replaces the table.
        if self._storages is not consumer._reader_storages:
            self._bind()
        if self._aggregate is None:
            consumer.consume_measurement(measurement)
            return
        sampled = consumer._sdk_config.exemplar_filter.should_sample(
            value, measurement.time_unix_nano, attributes, context
        )
        for aggregate in self._aggregate:
            aggregate(measurement, sampled)

    def _look(self) -> None:
        """See whether there is a shorter way, once the instrument is a real one."""
        real = getattr(self._histogram, "_real_instrument", self._histogram)
        if real is None:
            return
        self._real = real
        consumer = getattr(real, "_measurement_consumer", None)
        if hasattr(real, "_is_enabled") and _known(real) and _known(consumer):
            self._consumer = consumer

    def _bind(self) -> None:
        """Find what counts for these attributes: of each reader, in each of its views."""
        storages = self._consumer._reader_storages
        try:
            self._aggregate = tuple(
                _aggregation(match, self._attributes).aggregate
                for storage in storages.values()
                for match in storage._get_or_init_view_instrument_match(self._real)
            )
        except (AttributeError, TypeError, _Changing):
            self._aggregate = None
        self._storages = storages


class _Changing(Exception):
    """Where it counts is another place after each collection."""


def _aggregation(match: Any, attributes: dict[str, Any]) -> Any:
    if match._reset_on_collect:
        raise _Changing
    keys = match._view._attribute_keys
    seen = {k: v for k, v in attributes.items() if keys is None or k in keys}
    key = sys.modules[type(match).__module__]._hash_attributes(seen)
    with match._lock:
        return match._get_or_create_aggregation(key, seen)


def _known(part: object) -> bool:
    """Whether it is the SDK's own, whose measurements have the fields that ours have."""
    theirs = getattr(sys.modules.get(f"{_SDK}measurement"), "Measurement", None)
    fields = getattr(theirs, "__dataclass_fields__", ())
    return type(part).__module__.startswith(_SDK) and set(fields) == set(_Measurement.__slots__)


# ------------------------------------------------------------------ spans
# What `set_attributes` takes as it is, of no matter which content.
_CLEAN = frozenset({str, int, float, bool, tuple})
_HELD = {"_dict", "_immutable", "_lock", "max_value_len", "maxlen"}
_held_as_known = vars(BoundedAttributes()).keys() >= _HELD


def set_attributes(span: Span, attributes: dict[str, Any]) -> None:
    """As `Span.set_attributes`; tuples among the values are of strings."""
    held: Any = getattr(span, "_attributes", None)
    if (
        _held_as_known
        and type(held) is BoundedAttributes
        and held.max_value_len is None
        and type(span).__module__ == "opentelemetry.sdk.trace"
        and _CLEAN.issuperset(map(type, attributes.values()))
    ):
        with held._lock:
            kept = held._dict
            fits = held.maxlen is None or len(kept) + len(attributes) <= held.maxlen
            if fits and not held._immutable:
                kept.update(attributes)
                return
    span.set_attributes(attributes)
