"""Fixed, realistic bodies that several client libraries read, and what they are asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from clients._httpx import Body

SYSTEM = "You are a helpful, brief assistant for operators. " * 8
QUESTION = "What should I look at first when latency rises?"
MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": QUESTION},
]
SENTENCE = (
    "Observability of language models begins with three numbers: how long a call took, how many "
    "tokens it used, and what it cost. "
)
ANSWER = SENTENCE * 6

# As many headers as providers send, and as long.
HEADERS = {
    "date": "Sat, 21 Nov 2026 12:00:00 GMT",
    "x-request-id": "req_2f1d9c0b7e6a45f8a3b2c1d0e9f80716",
    "x-envoy-upstream-service-time": "830",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "cache-control": "no-cache, no-store",
    "set-cookie": "__cf_bm=example; path=/; domain=.example.com; HttpOnly; Secure",
    "x-content-type-options": "nosniff",
    "server": "cloudflare",
    "cf-ray": "9a1b2c3d4e5f6071-FRA",
    "alt-svc": 'h3=":443"; ma=86400',
}


def whole(document: object) -> Body:
    """A whole answer."""
    headers = {**HEADERS, "content-type": "application/json"}
    return Body(headers, (json.dumps(document).encode(),))


def events(documents: Iterable[object], *, done: bool = True) -> Body:
    """Server-sent events.

    Args:
        documents: One for each.
        done: Whether `[DONE]` follows.
    """
    pieces = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents]
    end = [b"data: [DONE]\n\n"] if done else []
    headers = {**HEADERS, "content-type": "text/event-stream; charset=utf-8"}
    return Body(headers, [*pieces, *end])


def lines(documents: Iterable[object]) -> Body:
    """One document in each line."""
    headers = {**HEADERS, "content-type": "application/x-ndjson"}
    return Body(headers, [json.dumps(each).encode() + b"\n" for each in documents])
