"""Which response headers tell the request's id, and what is left before the first refusal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.semconv import Metric

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def elapsed(text: str, age: float) -> bool:
    """Whether `1s`, `6m0s`, `120ms` or plain seconds are over, `age` seconds after a response."""
    parts = _PARTS.findall(text)
    seconds = sum(float(n) * _SECONDS[unit] for n, unit in parts) if parts else read.amount(text)
    return seconds is not None and age >= seconds


def passed(text: str, age: float) -> bool:  # noqa: ARG001
    """Whether a time as RFC 3339 writes it lies in the past."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() <= time.time()
    except (ValueError, OverflowError):
        return False


@dataclass(frozen=True, eq=False)
class Headers:
    """What headers mean; all names in lower case.

    Attributes:
        request_ids: Those that hold the request's id, the usual one first.
        limits: Those that hold a number, with the gauge that shows it.
        resets: Those that say when a limit is whole again, with the gauges that are void then.
        over: Whether the time that such a header tells is over, so many seconds after the response.
    """

    request_ids: tuple[bytes, ...] = ()
    limits: Mapping[bytes, Metric] = field(default_factory=dict)
    resets: Mapping[bytes, tuple[Metric, ...]] = field(default_factory=dict)
    over: Callable[[str, float], bool] = elapsed

    @cached_property
    def wanted(self) -> frozenset[bytes]:
        """The names of all these."""
        return frozenset({*self.request_ids, *self.limits, *self.resets})


# OpenAI's, which most providers send.
# https://platform.openai.com/docs/guides/rate-limits
COMMON = Headers(
    request_ids=(b"x-request-id", b"request-id", b"apim-request-id"),
    limits={
        b"x-ratelimit-limit-requests": semconv.RATELIMIT_REQUESTS_LIMIT,
        b"x-ratelimit-remaining-requests": semconv.RATELIMIT_REQUESTS_REMAINING,
        b"x-ratelimit-limit-tokens": semconv.RATELIMIT_TOKENS_LIMIT,
        b"x-ratelimit-remaining-tokens": semconv.RATELIMIT_TOKENS_REMAINING,
    },
    resets={
        b"x-ratelimit-reset-requests": semconv.RATELIMITS[:2],
        b"x-ratelimit-reset-tokens": semconv.RATELIMITS[2:],
    },
)
