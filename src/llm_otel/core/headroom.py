"""What response headers tell: the request id, and what is left before the first 429."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from llm_otel import semconv
from llm_otel.base import read

# How long a reading is believed, in seconds, even when its reset is later.
TTL = 120.0

_VALUES: dict[bytes, semconv.Metric] = {
    b"x-ratelimit-limit-requests": semconv.RATELIMIT_REQUESTS_LIMIT,
    b"x-ratelimit-remaining-requests": semconv.RATELIMIT_REQUESTS_REMAINING,
    b"x-ratelimit-limit-tokens": semconv.RATELIMIT_TOKENS_LIMIT,
    b"x-ratelimit-remaining-tokens": semconv.RATELIMIT_TOKENS_REMAINING,
}
_RESETS: dict[bytes, tuple[semconv.Metric, semconv.Metric]] = {
    b"x-ratelimit-reset-requests": semconv.RATELIMITS[:2],
    b"x-ratelimit-reset-tokens": semconv.RATELIMITS[2:],
}
_REQUEST_IDS = (b"x-request-id", b"request-id", b"apim-request-id")
_READ = frozenset({*_VALUES, *_RESETS, *_REQUEST_IDS})
_PARTS = re.compile(rb"(\d+(?:\.\d+)?)(ms|h|m|s)")
_COUNT = re.compile(r"[0-9]{1,4}")
_SECONDS = {b"ms": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0}


class Headroom:
    """The newest reading by provider and model; parsed when it is observed, not when it comes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}
        self._readings: dict[tuple[str, str], tuple[float, dict[bytes, bytes]]] = {}

    def keep(self, provider: str, model: str, headers: Any) -> None:
        """Keep the headers of a response, an httpx `Headers`, to be parsed if they are the last
        before an observation."""
        if model != semconv.NONE:
            self._kept[provider, model] = (self._clock(), headers)

    def put(self, provider: str, model: str, headers: dict[bytes, bytes]) -> None:
        """Keep the rate-limit headers of a response, names in lower case."""
        self._readings[provider, model] = (self._clock(), headers)

    def read(self, metric: semconv.Metric) -> Iterator[tuple[str, str, float]]:
        """Provider, model and value of every reading that is still believed."""
        self._parse()
        now = self._clock()
        for (provider, model), (at, headers) in list(self._readings.items()):
            if now - at >= TTL:
                self._readings.pop((provider, model), None)
                continue
            value = _value(headers, metric, now - at)
            if value is not None:
                yield provider, model, value

    def _parse(self) -> None:
        while self._kept:
            try:
                key, (at, headers) = self._kept.popitem()
            except KeyError:  # another thread was quicker
                return
            limits = scan(_raw(headers))[1]
            if limits:
                self._readings[key] = (at, limits)


def _raw(headers: Any) -> Iterable[tuple[bytes, bytes]]:
    found: Iterable[tuple[bytes, bytes]] = getattr(headers, "raw", ())
    return found


def request_id(result: object, response: Any) -> str | None:
    """The provider's id of a request: openai's SDK has put it on what it parsed."""
    found = read.string(read.get(result, "_request_id")) if type(result) is not dict else None
    if found is not None or response is None:
        return found
    headers = _raw(getattr(response, "headers", None))
    # Nearly always the names are in lower case, and the first of ours is there.
    told = dict(headers).get(_REQUEST_IDS[0])
    return read.string(told.decode("latin-1")) if told is not None else scan(headers)[0]


def scan(
    headers: Iterable[tuple[bytes, bytes]],
) -> tuple[str | None, dict[bytes, bytes]]:
    """The provider's request id and the rate-limit headers among raw ones, in one pass."""
    found = {key: value for name, value in headers if (key := name.lower()) in _READ}
    request_id = None
    for name in _REQUEST_IDS:
        said = found.pop(name, None)
        if said is not None and request_id is None:
            request_id = read.string(said.decode("latin-1"))
    return request_id, found


def _value(headers: dict[bytes, bytes], metric: semconv.Metric, age: float) -> float | None:
    for name, metrics in _RESETS.items():
        reset = _duration(headers.get(name))
        if metric in metrics and reset is not None and age >= reset:
            return None
    for name, known in _VALUES.items():
        if known is metric and name in headers:
            return _number(headers[name])
    return None


def _duration(text: bytes | None) -> float | None:
    """`1s`, `6m0s`, `120ms`, or plain seconds."""
    if text is None:
        return None
    parts = _PARTS.findall(text)
    if parts:
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    return _number(text)


def _number(text: bytes) -> float | None:
    try:
        return read.number(float(text))
    except ValueError:
        return None


def resend_count(exc: BaseException | None) -> int:
    """How often a request that failed in the end was sent again; 0 where that is not known.

    The SDKs tell nobody but the provider, in a header of each request.
    """
    request = read.get(exc, "request") or read.get(read.get(exc, "response"), "_request")
    headers = read.get(request, "headers")
    count = headers.get("x-stainless-retry-count") if isinstance(headers, Mapping) else None
    return int(count) if isinstance(count, str) and _COUNT.fullmatch(count) else 0
