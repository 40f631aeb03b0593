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
from functools import lru_cache
from time import time_ns
from typing import Any, TypeAlias

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span

_SDK = "opentelemetry.sdk.metrics._internal."


# ------------------------------------------------------------------ histograms
_Aggregates: TypeAlias = tuple[Callable[[Any, bool], object], ...]


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

    __slots__ = ("_attributes", "_bound", "_consumer", "_histogram", "_real")

    def __init__(self, histogram: Histogram, attributes: dict[str, Any]) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._real: Any = None
        self._consumer: Any = None
        # The SDK's table of readers, and what counts for these attributes while that is its table.
        self._bound: tuple[object, _Aggregates | None] = (None, None)

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
        storages, aggregates = self._bound
        if storages is not consumer._reader_storages:
            aggregates = self._bind(consumer._reader_storages)
        if aggregates is None:
            consumer.consume_measurement(measurement)
            return
        sampled = consumer._sdk_config.exemplar_filter.should_sample(
            value, measurement.time_unix_nano, attributes, context
        )
        for aggregate in aggregates:
            aggregate(measurement, sampled)

    def _look(self) -> None:
        """See whether there is a shorter way, once the instrument is a real one."""
        real = getattr(self._histogram, "_real_instrument", self._histogram)
        if real is None:
            return
        self._real = real
        consumer = getattr(real, "_measurement_consumer", None)
        exemplars = getattr(getattr(consumer, "_sdk_config", None), "exemplar_filter", None)
        if (
            _known(real)
            and _known(consumer)
            and hasattr(real, "_is_enabled")
            and hasattr(consumer, "_reader_storages")
            and hasattr(exemplars, "should_sample")
        ):
            self._consumer = consumer

    def _bind(self, storages: Any) -> _Aggregates | None:
        """Find what counts for these attributes: of each reader, in each of its views."""
        try:
            found: _Aggregates | None = tuple(
                _aggregation(match, self._attributes).aggregate
                for storage in storages.values()
                for match in storage._get_or_init_view_instrument_match(self._real)
            )
        except (AttributeError, TypeError, _Changing):
            found = None
        self._bound = (storages, found)
        return found


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
        and type(span).set_attributes is _own_way(type(span))
        and "set_attributes" not in vars(span)
        and _CLEAN.issuperset(map(type, attributes.values()))
    ):
        with held._lock:
            kept = held._dict
            fits = held.maxlen is None or len(kept) + len(attributes) <= held.maxlen
            if fits and not held._immutable:
                kept.update(attributes)
                return
    span.set_attributes(attributes)


@lru_cache(maxsize=8)
def _own_way(span: Any) -> object:
    """The `set_attributes` of a class of the SDK's; None where it is somebody else's, who may want
    to see what is set."""
    if span.__module__ != "opentelemetry.sdk.trace":
        return None
    code = getattr(span.set_attributes, "__code__", None)
    own = code is not None and code.co_filename == span.__init__.__code__.co_filename
    return span.set_attributes if own else None
