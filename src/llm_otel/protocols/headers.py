"""Which response headers tell the request's id, and what is left before the first refusal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.semconv import Metric

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|d|h|m|s))+")
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

# A number from here on is no duration, but a time: seconds since 1970, and milliseconds.
_UNIX = 1e9
_UNIX_MS = 1e12

# What a limit's header and its reset's do not share.
_KIND = re.compile(rb"-(?:limit|remaining)(?=-|$)")


def is_over(text: str, age: float) -> bool:
    """Whether what a reset's header says is past: `1s`, `6m0s`, `120ms`, plain seconds, a Unix time
    in seconds or milliseconds, or a time as RFC 3339 writes it.

    Args:
        text: The header's value.
        age: Seconds since the response.
    """
    if _DURATION.fullmatch(text):
        return age >= sum(float(n) * _SECONDS[unit] for n, unit in _PARTS.findall(text))
    number = read.amount(text)
    if number is None:
        return _is_past(text)
    if number < _UNIX:
        return age >= number
    return time.time() >= (number / 1000 if number >= _UNIX_MS else number)


def _is_past(text: str) -> bool:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() <= time.time()
    except (ValueError, OverflowError):
        return False


@dataclass(frozen=True, eq=False)
class Headers:
    """What headers mean; all names in lower case.

    Attributes:
        request_ids: Those that hold the request's id, the usual one first.
        limits: Those that hold a number, with the gauge that shows it. Of several for one gauge the
            first counts that a response has. Each has `-limit` or `-remaining` in its name, and the
            header that says when it is whole again has `-reset` in that place.
    """

    request_ids: tuple[bytes, ...] = ()
    limits: Mapping[bytes, Metric] = field(default_factory=dict)

    @cached_property
    def resets(self) -> Mapping[bytes, bytes]:
        """Header of a limit -> the one of its reset."""
        return {name: _KIND.sub(b"-reset", name, count=1) for name in self.limits}

    @cached_property
    def wanted(self) -> frozenset[bytes]:
        """The names of all these."""
        return frozenset({*self.request_ids, *self.limits, *self.resets.values()})


def of_requests(*names: bytes) -> dict[bytes, Metric]:
    """The headers of limits of requests, for `Headers.limits`: in each name, `*` stands for `limit`
    and for `remaining`."""
    return _both(names, *semconv.RATELIMITS[:2])


def of_tokens(*names: bytes) -> dict[bytes, Metric]:
    """The same for limits of tokens."""
    return _both(names, *semconv.RATELIMITS[2:])


def _both(names: tuple[bytes, ...], limit: Metric, remaining: Metric) -> dict[bytes, Metric]:
    kinds = ((b"limit", limit), (b"remaining", remaining))
    return {name.replace(b"*", kind): gauge for name in names for kind, gauge in kinds}


# OpenAI's, which most providers send (Groq, Azure, xAI, GitHub Models, DeepInfra …), and what those
# send who have names of their own. No two providers mean something else by one name.
# https://platform.openai.com/docs/guides/rate-limits
# Cerebras: https://inference-docs.cerebras.ai/support/rate-limits
# Mistral: requests by `req-minute`; until 2025 tokens by `ratelimitbysize`
# Fireworks: https://docs.fireworks.ai/guides/quotas_usage/rate-limits
# Together: https://docs.together.ai/docs/rate-limits
# OpenRouter: https://openrouter.ai/docs/api-reference/limits
# Cohere: https://docs.cohere.com/docs/rate-limits (trial keys)
COMMON = Headers(
    request_ids=(b"x-request-id", b"request-id", b"apim-request-id"),
    limits={
        **of_requests(
            b"x-ratelimit-*-requests",
            b"x-ratelimit-*-requests-minute",
            b"x-ratelimit-*-req-minute",
            b"x-ratelimit-*-requests-day",
            b"x-ratelimit-*",
            b"x-trial-endpoint-call-*",
        ),
        **of_tokens(
            b"x-ratelimit-*-tokens",
            b"x-ratelimit-*-tokens-minute",
            b"x-ratelimit-*-tokens-prompt",
            b"x-ratelimit-*-tokens-generated",
            b"x-tokenlimit-*",
            b"ratelimitbysize-*",
        ),
    },
)
