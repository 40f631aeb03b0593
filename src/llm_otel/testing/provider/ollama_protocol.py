"""Ollama's errors, and how its streams break."""

from __future__ import annotations

import json

from .messages import Json, ReceivedRequest
from .protocol_spec import Protocol


def is_ollama(request: ReceivedRequest) -> bool:
    """Whether a request's path is Ollama's."""
    return request.path.startswith("/api/")


def _ollama_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"error": message}


def _no_headers(*_: object) -> dict[str, str]:
    return {}


# https://docs.ollama.com/api/errors
OLLAMA = Protocol(
    refusals={
        "rate_limit": (429, "", None, "too many requests"),
        "quota": (429, "", None, "you have reached your weekly usage limit"),
        "insufficient_funds": (402, "", None, "this model requires a subscription"),
        "capacity": (503, "", None, "server busy, please try again. maximum pending requests"),
        "server_error": (500, "", None, "model runner has unexpectedly stopped"),
        "unavailable": (503, "", None, "service temporarily overloaded"),
        "authentication": (401, "", None, "unauthorized"),
        "permission": (403, "", None, "access denied"),
        "invalid_request": (400, "", None, "invalid options: a value is not allowed"),
        "context_length": (400, "", None, "input length exceeds maximum context length"),
        "not_found": (404, "", None, "model not found, try pulling it first"),
        "content_filter": (400, "", None, "the request was blocked"),
    },
    error_type={400: ""},
    error_body=_ollama_body,
    error_event=lambda body: json.dumps(body).encode() + b"\n",
    broken_event=b'{"model": "m", "message": \n',
    limit_headers=_no_headers,
    identity_headers=_no_headers,
)
