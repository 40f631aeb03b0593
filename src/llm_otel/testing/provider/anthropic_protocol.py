"""Anthropic's errors, headers and identities."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timezone

from . import sse
from .limits import Remaining
from .messages import Json, ReceivedRequest, Reply
from .protocol_spec import Protocol


def is_anthropic(request: ReceivedRequest) -> bool:
    """Whether a request's path is Anthropic's, or its SDK sent it."""
    return request.route.startswith("/v1/messages") or "anthropic-version" in request.headers


def _anthropic_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"type": "error", "error": {"type": type_, "message": message}}


def _anthropic_limits(remaining: Iterable[Remaining]) -> dict[str, str]:
    headers, now = {}, time.time()
    for each in remaining:
        for kind in (each.kind,) if each.kind == "requests" else ("tokens", "input-tokens"):
            reset = datetime.fromtimestamp(now + each.seconds, timezone.utc)
            headers[f"anthropic-ratelimit-{kind}-limit"] = str(each.limit)
            headers[f"anthropic-ratelimit-{kind}-remaining"] = str(each.amount)
            headers[f"anthropic-ratelimit-{kind}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%SZ}"
    return headers


def _anthropic_identity(identity: str, request: ReceivedRequest, reply: Reply) -> dict[str, str]:  # noqa: ARG001
    return {"request-id": identity, "anthropic-organization-id": "llm-otel"}


# https://docs.anthropic.com/en/api/errors
ANTHROPIC = Protocol(
    refusals={
        "rate_limit": (
            429, "rate_limit_error", None, "This request would exceed your rate limit."
        ),
        "quota": (429, "rate_limit_error", None, "You have reached your specified usage limits."),
        "insufficient_funds": (402, "billing_error", None, "Your credit balance is too low."),
        "capacity": (529, "overloaded_error", None, "Overloaded"),
        "server_error": (500, "api_error", None, "Internal server error"),
        "unavailable": (529, "overloaded_error", None, "Overloaded"),
        "authentication": (401, "authentication_error", None, "invalid x-api-key"),
        "permission": (403, "permission_error", None, "Request not allowed"),
        "invalid_request": (400, "invalid_request_error", None, "Invalid value for a parameter."),
        "context_length": (
            400, "invalid_request_error", None, "prompt is too long: 210000 tokens > 200000 maximum"
        ),
        "not_found": (404, "not_found_error", None, "model: not found"),
        "content_filter": (
            400, "invalid_request_error", None, "Output blocked by content filtering policy"
        ),
    },
    error_type={400: "invalid_request_error", 404: "not_found_error", 500: "api_error"},
    error_body=_anthropic_body,
    error_event=lambda body: sse.event(body, "error"),
    broken_event=b'event: content_block_delta\ndata: {"type": \n\n',
    limit_headers=_anthropic_limits,
    identity_headers=_anthropic_identity,
)  # fmt: skip
