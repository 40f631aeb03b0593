"""Everything here that OpenTelemetry's packages keep private; no other module touches such a name.

Three kinds. Shorter ways into the SDK's histograms and spans: `Histogram.record` copies, sorts and
hashes the attributes of each record, which is three quarters of its price, four times a call;
`Span.set_attributes` looks at each of 20 attributes in Python, twice. Ours are known to be clean.
What has no public name: whether a provider is set, instrumentation suppressed, baggage there. And
what a forked child must forget.

Private names change without notice. The first exception of any kind in a shorter way ends it for
good: the public way takes over, beginning with the record at hand, and one warning says so.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from time import time_ns
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from opentelemetry import baggage, context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span

try:
    from opentelemetry.attributes import BoundedAttributes
except ImportError:  # pragma: no cover - of a later API
    BoundedAttributes = None  # type: ignore[assignment, misc]

try:
    # Reads what is installed once for all who ask: 6 ms each time else.
    from opentelemetry.util._importlib_metadata import entry_points
except ImportError:  # pragma: no cover - of a later API
    from importlib.metadata import entry_points  # type: ignore[assignment]

__all__ = ["entry_points"]

_logger = logging.getLogger("llm_otel")

_SDK: Final = "opentelemetry.sdk.metrics._internal."

# The shorter ways that are given up.
_given_up: set[str] = set()


def _give_up(way: str, exc: Exception) -> None:
    """Take the public way from now on."""
    if way not in _given_up:
        _given_up.add(way)
        _logger.warning(
            "llm-otel does not know this version of the OpenTelemetry SDK (%s: %s). It takes the "
            "SDK's public interface instead: nothing is lost, a call costs a little more. A newer "
            "llm-otel may know it.",
            way,
            type(exc).__name__,
        )


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
        handing_on: Any = None
        try:
            if self._real is None:
                self._look()
            consumer, attributes = self._consumer, self._attributes
            if consumer is not None and self._real._is_enabled():
                measurement = _Measurement(value, self._real, context, attributes)
                # A reader that comes or goes replaces the table.
                storages, aggregates = self._bound
                if storages is not consumer._reader_storages:
                    aggregates = self._bind(consumer._reader_storages)
                if aggregates is None:
                    handing_on = consumer
                    consumer.consume_measurement(measurement)
                    return
                sampled = consumer._sdk_config.exemplar_filter.should_sample(
                    value, measurement.time_unix_nano, attributes, context
                )
                for handing_on in aggregates:
                    handing_on(measurement, sampled)
                return
        except Exception as exc:
            self._consumer = None
            _give_up("histograms", exc)
            if handing_on is not None and not self._untaken(handing_on, exc):
                raise
        self._histogram.record(value, self._attributes, context)

    def _untaken(self, handing_on: object, exc: Exception) -> bool:
        """Whether a measurement that was handed on has surely not been counted: what failed was
        the first call itself, before it ran."""
        aggregates = self._bound[1]
        first = aggregates is None or handing_on is aggregates[0]
        place = exc.__traceback__
        return first and place is not None and place.tb_next is None

    def _look(self) -> None:
        """See whether there is a shorter way, once the instrument is a real one."""
        real = getattr(self._histogram, "_real_instrument", self._histogram)
        if real is None:
            return
        self._real = real
        if "histograms" in _given_up:
            return
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
            aggregates: _Aggregates | None = tuple(
                _aggregation(match, self._attributes).aggregate
                for storage in storages.values()
                for match in storage._get_or_init_view_instrument_match(self._real)
            )
        except (AttributeError, TypeError, _Changing):
            aggregates = None
        self._bound = (storages, aggregates)
        return aggregates


class _Changing(Exception):
    """Where it counts is another place after each collection."""


def _aggregation(match: Any, attributes: dict[str, Any]) -> Any:
    if match._reset_on_collect:
        raise _Changing
    keys = match._view._attribute_keys
    selection = {k: v for k, v in attributes.items() if keys is None or k in keys}
    key = sys.modules[type(match).__module__]._hash_attributes(selection)
    with match._lock:
        return match._get_or_create_aggregation(key, selection)


def _known(part: object) -> bool:
    """Whether it is the SDK's own, whose measurements have the fields that ours have."""
    theirs = getattr(sys.modules.get(f"{_SDK}measurement"), "Measurement", None)
    fields = getattr(theirs, "__dataclass_fields__", ())
    return type(part).__module__.startswith(_SDK) and set(fields) == set(_Measurement.__slots__)


# ------------------------------------------------------------------ spans
# What `set_attributes` takes as it is, of no matter which content.
_CLEAN = frozenset({str, int, float, bool, tuple})


def set_attributes(span: Span, attributes: dict[str, Any]) -> None:
    """As `Span.set_attributes`; tuples among the values are of strings."""
    if "spans" not in _given_up:
        try:
            if _put(span, attributes):
                return
        except Exception as exc:  # noqa: BLE001
            _give_up("spans", exc)
    # Setting again what was set changes nothing.
    span.set_attributes(attributes)


def _put(span: Span, attributes: dict[str, Any]) -> bool:
    """Put attributes into the span's table; False where the SDK wants to look at them."""
    held: Any = getattr(span, "_attributes", None)
    if (
        type(held) is BoundedAttributes
        and held.max_value_len is None
        and type(span).set_attributes is _own_way(type(span))
        and "set_attributes" not in vars(span)
        and _CLEAN.issuperset(map(type, attributes.values()))
    ):
        with held._lock:
            table = held._dict
            fits = held.maxlen is None or len(table) + len(attributes) <= held.maxlen
            if fits and not held._immutable:
                table.update(attributes)
                return True
    return False


@lru_cache(maxsize=8)
def _own_way(span: Any) -> object:
    """The `set_attributes` of a class of the SDK's; None where it is somebody else's, who may want
    to see what is set."""
    if span.__module__ != "opentelemetry.sdk.trace":
        return None
    code = getattr(span.set_attributes, "__code__", None)
    own = code is not None and code.co_filename == span.__init__.__code__.co_filename
    return span.set_attributes if own else None


# ------------------------------------------------------------------ what has no public name
# What every instrumentation looks for in the context, and the name that it had before.
SUPPRESS_KEYS: Final[tuple[str, str]] = (
    getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
    "suppress_instrumentation",
)
# Where the API keeps baggage in the context; None if it has moved.
BAGGAGE_KEY: Final[str | None] = getattr(baggage, "_BAGGAGE_KEY", None)
# Who logs that a batch processor's queue is full.
BATCH_LOGGER: Final = "opentelemetry.sdk._shared_internal"


def provider_is_set() -> bool:
    """Whether somebody set a global provider of spans or metrics, or there is no telling.

    The API's getters would look into the environment, which costs as much as all else that a call
    costs while there is no SDK.
    """
    return (
        tracer_provider_is_set()
        or getattr(getattr(metrics, "_internal", None), "_METER_PROVIDER", metrics) is not None
    )


def tracer_provider_is_set() -> bool:
    """The same for spans alone."""
    return getattr(trace, "_TRACER_PROVIDER", trace) is not None


def is_stand_in(provider: object) -> bool:
    """Whether it is what the API gives as long as nobody has set a provider.

    The providers that Logfire sets have the same names.
    """
    cls = type(provider)
    return cls.__name__.lstrip("_").startswith("Proxy") and cls.__module__.startswith(
        "opentelemetry."
    )


def preferences(exporter: object) -> tuple[Any, Any]:
    """The temporality and the aggregation that a metric exporter prefers; None for the SDK's."""
    return (
        getattr(exporter, "_preferred_temporality", None),
        getattr(exporter, "_preferred_aggregation", None),
    )


def endpoint(exporter: object) -> str:
    """Where an exporter sends to, without user name, password and query; else its class."""
    url = getattr(exporter, "_endpoint", None)
    if not isinstance(url, str):
        return type(exporter).__name__
    parts = urlsplit(url if "//" in url else f"//{url}")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme else host


# ------------------------------------------------------------------ fork
def forget_measurements(instrument: Any, scope: str) -> None:
    """Drop what the SDK holds of our instruments, so that a child's metrics start at 0.

    The SDK keeps a parent's sums in a child, so a pre-forking server would report them once per
    worker. It keeps the locks, too: where one was held by another thread, a child would never
    export. `tests/unit/test_fork.py` proves that this works.

    Args:
        instrument: Any synchronous instrument of ours; the API's proxy is followed.
        scope: The name of our meter.
    """
    real = getattr(instrument, "_real_instrument", None) or instrument
    consumer: Any = getattr(real, "_measurement_consumer", None)
    if consumer is None and not type(real).__module__.startswith(_SDK):
        return
    try:
        consumer._lock = threading.Lock()
        for reader, storage in consumer._reader_storages.items():
            if hasattr(reader, "_export_lock"):
                reader._export_lock = threading.Lock()
            storage._lock = threading.RLock()
            matches = storage._instrument_view_instrument_matches
            for key in list(matches):
                if key.instrumentation_scope.name == scope:
                    del matches[key]
                else:
                    _renew_locks(matches[key])
    except Exception as exc:  # noqa: BLE001
        _logger.warning(
            "llm-otel does not know this version of the OpenTelemetry SDK (fork: %s): metrics of "
            "a forked process begin with those of its parent. A newer llm-otel may know it.",
            type(exc).__name__,
        )


def _renew_locks(matches: Any) -> None:
    """Renew the locks of an instrument that is not ours: a collection takes them all."""
    for match in matches:
        match._lock = threading.Lock()
        for aggregation in match._attributes_aggregation.values():
            aggregation._lock = threading.Lock()
