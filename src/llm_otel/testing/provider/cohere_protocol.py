"""Cohere's errors, the headers of its replies, and how its streams break."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from . import sse
from .limits import Remaining
from .messages import Json, ReceivedRequest, Reply
from .protocol_spec import Protocol

# Routes that nobody else has.
_ROUTES = frozenset(
    {
        "/v1/chat", "/v1/generate", "/v1/embed", "/v1/v2/chat", "/v1/v2/embed", "/v1/v2/rerank",
    }
)  # fmt: skip


def is_cohere(request: ReceivedRequest) -> bool:
    """Whether a request's path is Cohere's, or its SDK sent it."""
    return request.route in _ROUTES or request.headers.get("x-fern-sdk-name") == "cohere"


def is_cohere_v2(request: ReceivedRequest) -> bool:
    """Whether it is one of the second version, whose streams are events."""
    return is_cohere(request) and request.route.startswith("/v1/v2/")


def _cohere_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"message": message}


def _cohere_limits(remaining: Iterable[Remaining]) -> dict[str, str]:
    """Those that Cohere tells the holders of a trial key."""
    headers = {}
    for each in remaining:
        if each.kind == "requests":
            headers["x-trial-endpoint-call-limit"] = str(each.limit)
            headers["x-trial-endpoint-call-remaining"] = str(each.amount)
    return headers


def _cohere_identity(identity: str, request: ReceivedRequest, reply: Reply) -> dict[str, str]:  # noqa: ARG001
    return {"x-debug-trace-id": identity}


def _cohere_event(body: Json) -> bytes:
    end = {"error": body["message"], "finish_reason": "ERROR"}
    return sse.event({"type": "message-end", "delta": end}, "message-end")


def _cohere_line(body: Json) -> bytes:
    end = {"is_finished": True, "event_type": "stream-end", "finish_reason": "ERROR"}
    return json.dumps({**end, "response": {"text": body["message"]}}).encode() + b"\n"


# https://docs.cohere.com/reference/errors
COHERE = Protocol(
    refusals={
        "rate_limit": (429, "", None, "You are past the rate limit of your key."),
        "quota": (429, "", None, "You are past the monthly limit of calls of a trial key."),
        "insufficient_funds": (402, "", None, "Your account has no payment method."),
        "capacity": (503, "", None, "The model has no capacity left. Try again later."),
        "server_error": (500, "", None, "internal server error"),
        "unavailable": (503, "", None, "The service is unavailable. Try again later."),
        "authentication": (401, "", None, "invalid api token"),
        "permission": (403, "", None, "You have no access to this resource."),
        "invalid_request": (400, "", None, "invalid request: a value is not allowed"),
        "context_length": (400, "", None, "too many tokens: the total must be at most 128000"),
        "not_found": (404, "", None, "model not found, make sure the correct model ID was used"),
        "content_filter": (400, "", None, "the request was blocked by the content filter"),
    },
    error_type={400: ""},
    error_body=_cohere_body,
    error_event=_cohere_event,
    broken_event=b'event: content-delta\ndata: {"type": \n\n',
    limit_headers=_cohere_limits,
    identity_headers=_cohere_identity,
)
# Streams of v1 are lines of JSON.
COHERE_LINES = replace(
    COHERE, error_event=_cohere_line, broken_event=b'{"event_type": "text-generation", \n'
)
