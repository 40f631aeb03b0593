"""What response headers tell: the request id, and what is left before the first 429."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.headers import Headers, is_over

if TYPE_CHECKING:
    from llm_otel.core.call import Call
    from llm_otel.core.metrics.measurement import Bill
    from llm_otel.core.record import Record

_TOO_MANY = 429

# How long a reading is believed, in seconds, even when its reset is later.
TTL = 120.0


class Headroom:
    """The newest reading by provider and model; parsed when it is observed, not when it comes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Any, Headers]] = {}
        self._readings: dict[tuple[str, str], tuple[float, dict[bytes, bytes], Headers]] = {}

    def keep(self, provider: str, model: str, headers: Any, names: Headers) -> None:
        """Keep the headers of a response, an httpx `Headers`, to be parsed if they are the last
        before an observation."""
        if model != semconv.NONE:
            self._kept[provider, model] = (self._clock(), headers, names)

    def read(self, metric: semconv.Metric) -> Iterator[tuple[str, str, float]]:
        """Provider, model and value of every reading that is still believed."""
        self._parse()
        now = self._clock()
        for (provider, model), (at, limits, names) in list(self._readings.items()):
            if now - at >= TTL:
                self._readings.pop((provider, model), None)
                continue
            value = _value(limits, names, metric, now - at)
            if value is not None:
                yield provider, model, value

    def _parse(self) -> None:
        while self._kept:
            try:
                key, (at, headers, names) = self._kept.popitem()
            except KeyError:  # another thread was quicker
                return
            limits = scan(_raw(headers), names)[1]
            if limits:
                self._readings[key] = (at, limits, names)


def _raw(headers: Any) -> Iterable[tuple[bytes, bytes]]:
    found: Iterable[tuple[bytes, bytes]] = getattr(headers, "raw", ())
    return found


def request_id(result: object, response: Any, names: Headers) -> str | None:
    """The provider's id of a request: the SDKs put it on what they parsed."""
    known = read.string(read.get(result, "_request_id")) if type(result) is not dict else None
    if known is not None or response is None or not names.request_ids:
        return known
    headers = _raw(getattr(response, "headers", None))
    # Nearly always the names are in lower case, and the first of them is there.
    value = dict(headers).get(names.request_ids[0])
    return read.string(_text(value)) if value is not None else scan(headers, names)[0]


def scan(
    headers: Iterable[tuple[bytes, bytes]], names: Headers
) -> tuple[str | None, dict[bytes, bytes]]:
    """The provider's request id and the rate-limit headers among raw ones, in one pass."""
    known = {key: value for name, value in headers if (key := name.lower()) in names.wanted}
    values = [known.pop(name) for name in names.request_ids if name in known]
    return next(filter(None, (read.string(_text(value)) for value in values)), None), known


def _value(
    limits: dict[bytes, bytes], names: Headers, metric: semconv.Metric, age: float
) -> float | None:
    """What the first header of a gauge tells whose reset is not past."""
    for name, gauge in names.limits.items():
        if gauge is metric and name in limits:
            reset = limits.get(names.resets[name])
            amount = read.amount(_text(limits[name]))
            if amount is not None and not (reset and is_over(_text(reset), age)):
                return amount
    return None


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def note(call: Call, record: Record, bill: Bill) -> None:
    """Keep the rate-limit headers; an error's may tell nothing and hide what others told. Warn of
    a host whose streams tell neither usage nor cost."""
    answer, failure = record.answer, record.failure
    # An exception's response may be of any kind.
    headers = getattr(record.response, "headers", None)
    if headers is not None and (failure.kind is None or failure.status == _TOO_MANY):
        labels = call.series.labels
        call.runtime.instruments.headroom.keep(
            labels[semconv.PROVIDER],
            labels[semconv.MODEL],
            headers,
            record.endpoint.protocol.headers,
        )
    if call.unasked and bill.usage_unknown and answer.finish_reasons != [semconv.CANCELLED]:
        reports_cost = answer.cost is not None and answer.cost.usd
        if not reports_cost:
            call.runtime.servers.warn_of_missing_usage(
                call.server, call.endpoint.protocol.how_to_ask
            )
