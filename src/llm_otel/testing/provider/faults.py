"""What can go wrong: refusals (an error is answered) and damages (the answer comes broken)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from .messages import Reply
from .openai_protocol import REFUSALS
from .protocol_spec import Protocol

Damage = Callable[[Reply, Protocol], Reply]
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def _html(status: int, title: str) -> Damage:
    page = _HTML.format(title).encode()
    headers = {"content-type": "text/html"}
    return lambda *_: Reply(status=status, headers=headers, body=page)


def _malformed(reply: Reply, protocol: Protocol) -> Reply:
    """Half of the JSON with a length that fits; in a stream, one event whose JSON is broken."""
    if reply.chunks is None:
        body = reply.content()[0]
        headers = {"content-type": "application/json", **reply.headers}
        return replace(reply, body=body[: len(body) // 2], headers=headers)
    chunks = list(reply.chunks)
    middle = len(chunks) // 2
    return replace(reply, chunks=[*chunks[:middle], protocol.broken_event, *chunks[middle:]])


def _truncated(reply: Reply, _: Protocol) -> Reply:
    """A stream that ends properly as HTTP but inside an event; a body that is cut off."""
    if reply.chunks is None:
        return replace(reply, ending="cut")
    chunks = list(reply.chunks)
    middle = len(chunks) // 2
    return replace(reply, chunks=[*chunks[:middle], chunks[middle][: len(chunks[middle]) // 2]])


def _disconnected(reply: Reply, _: Protocol) -> Reply:
    if reply.chunks is None:
        return replace(reply, ending="cut")
    chunks = list(reply.chunks)
    return replace(reply, chunks=chunks[: len(chunks) // 2], ending="cut")


def _stalled(reply: Reply, _: Protocol) -> Reply:
    if reply.chunks is None:
        return replace(reply, ending="hang")
    chunks = list(reply.chunks)
    return replace(reply, chunks=chunks[: len(chunks) // 2], ending="hang")


def _stream_error(reply: Reply, protocol: Protocol) -> Reply:
    """An error event in the middle of a stream; for a plain answer a 500."""
    error = protocol.refusal("server_error", {})
    if reply.chunks is None:
        return error
    chunks = list(reply.chunks)
    event = protocol.error_event(error.body)
    return replace(reply, chunks=[*chunks[: len(chunks) // 2], event])


DAMAGES: dict[str, Damage] = {
    "malformed_json": _malformed,
    "html": _html(200, "Sign in"),
    "bad_gateway": _html(502, "502 Bad Gateway"),
    "truncated": _truncated,
    "disconnect": _disconnected,
    "stall": _stalled,
    "hang": lambda reply, _: replace(reply, ending="silence"),
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
