"""What can go wrong: refusals (an error is answered) and damages (the answer comes broken)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from . import sse
from .messages import Reply, error_reply

# name: status, type, code, message
REFUSALS: dict[str, tuple[int, str, str | None, str]] = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "insufficient_funds": (
        402, "insufficient_balance", "insufficient_balance",
        "Insufficient balance. Add credits to continue.",
    ),
    "capacity": (498, "server_error", "capacity_exceeded", "The tier has no capacity left."),
    "server_error": (500, "server_error", None, "The server had an error processing your request."),
    "unavailable": (503, "server_error", "overloaded", "The engine is currently overloaded."),
    "authentication": (
        401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."
    ),
    "permission": (
        403, "invalid_request_error", "unsupported_country_region_territory",
        "Country, region, or territory not supported.",
    ),
    "invalid_request": (400, "invalid_request_error", None, "Invalid value for a parameter."),
    "context_length": (
        400, "invalid_request_error", "context_length_exceeded",
        "This model's maximum context length is exceeded.",
    ),
    "not_found": (
        404, "invalid_request_error", "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    "content_filter": (
        400, "invalid_request_error", "content_filter",
        "The response was filtered due to the prompt triggering a content management policy.",
    ),
}  # fmt: skip

_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def _html(status: int, title: str) -> Callable[[Reply], Reply]:
    page = _HTML.format(title).encode()
    headers = {"content-type": "text/html"}
    return lambda _: Reply(status=status, headers=headers, body=page)


def _malformed(reply: Reply) -> Reply:
    """Half of the JSON with a length that fits; in a stream, one event whose JSON is broken."""
    if reply.chunks is None:
        body = reply.content()[0]
        headers = {"content-type": "application/json", **reply.headers}
        return replace(reply, body=body[: len(body) // 2], headers=headers)
    chunks = list(reply.chunks)
    middle = len(chunks) // 2
    return replace(reply, chunks=[*chunks[:middle], b'data: {"id": \n\n', *chunks[middle:]])


def _truncated(reply: Reply) -> Reply:
    """A stream that ends properly as HTTP but inside an event; a body that is cut off."""
    if reply.chunks is None:
        return replace(reply, ending="cut")
    chunks = list(reply.chunks)
    middle = len(chunks) // 2
    return replace(reply, chunks=[*chunks[:middle], chunks[middle][: len(chunks[middle]) // 2]])


def _disconnected(reply: Reply) -> Reply:
    if reply.chunks is None:
        return replace(reply, ending="cut")
    chunks = list(reply.chunks)
    return replace(reply, chunks=chunks[: len(chunks) // 2], ending="cut")


def _stalled(reply: Reply) -> Reply:
    if reply.chunks is None:
        return replace(reply, ending="hang")
    chunks = list(reply.chunks)
    return replace(reply, chunks=chunks[: len(chunks) // 2], ending="hang")


def _stream_error(reply: Reply) -> Reply:
    """An error event in the middle of a stream; for a plain answer a 500."""
    status, kind, code, message = REFUSALS["server_error"]
    if reply.chunks is None:
        return error_reply(status, message, type_=kind, code=code)
    chunks = list(reply.chunks)
    error = {"message": message, "type": kind, "param": None, "code": code}
    return replace(reply, chunks=[*chunks[: len(chunks) // 2], sse.event({"error": error})])


DAMAGES: dict[str, Callable[[Reply], Reply]] = {
    "malformed_json": _malformed,
    "html": _html(200, "Sign in"),
    "bad_gateway": _html(502, "502 Bad Gateway"),
    "truncated": _truncated,
    "disconnect": _disconnected,
    "stall": _stalled,
    "hang": lambda reply: replace(reply, ending="silence"),
    "stream_error": _stream_error,
}

FAULTS = (*REFUSALS, *DAMAGES)
"""Names of all faults."""


def check_fault(name: object) -> str:
    """The name of a fault; raises ValueError if there is none of that name."""
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; the faults are {', '.join(FAULTS)}.")
    return str(name)


class FaultPlan:
    """Draws a fault for each request: `rates` gives each its share of the requests.

    Raises:
        ValueError: A name is unknown, or the shares are not within 0 and 1 in sum.
    """

    def __init__(self, rates: Mapping[str, float], random: Random) -> None:
        for name, rate in rates.items():
            check_fault(name)
            if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
                raise ValueError(f"the rate of fault {name!r} must be from 0 to 1, not {rate!r}.")
        total = math.fsum(rates.values())
        if total > 1:
            raise ValueError(f"the rates of all faults must be at most 1 in sum, not {total:g}.")
        self._rates = dict(rates)
        self._random = random

    def draw(self) -> str | None:
        """The fault for the next request; None for none."""
        if not self._rates:
            return None
        left = self._random.random()
        for name, rate in self._rates.items():
            left -= rate
            if left < 0:
                return name
        return None


def retry_headers(seconds: float) -> dict[str, str]:
    """What tells a client to come back in `seconds`."""
    return {"retry-after": str(math.ceil(seconds)), "retry-after-ms": str(round(seconds * 1000))}
