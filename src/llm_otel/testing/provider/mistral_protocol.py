"""Mistral's errors, headers and identities."""

from __future__ import annotations

from collections.abc import Iterable

from . import sse
from .limits import Remaining
from .messages import Json, ReceivedRequest, Reply
from .protocol_spec import Protocol

_OWN_ROUTES = (
    "/v1/agents/completions", "/v1/batch/jobs", "/v1/conversations", "/v1/fim/completions",
    "/v1/ocr",
)  # fmt: skip


def is_mistral(request: ReceivedRequest) -> bool:
    """Whether a request's path is Mistral's alone, or its SDK sent it."""
    client = request.headers.get("user-agent", "")
    return "mistral" in client or request.route.startswith(_OWN_ROUTES)


def _mistral_body(type_: str, code: str | None, param: str | None, message: str) -> Json:
    """An error object; who is not let in, or sends what does not fit, is answered otherwise."""
    if type_ == "unauthorized":
        return {"detail": message}
    if type_ == "unprocessable":
        return {"detail": [{"type": "value_error", "loc": ["body", param or ""], "msg": message}]}
    return {"object": "error", "message": message, "type": type_, "param": param, "code": code}


def _mistral_limits(remaining: Iterable[Remaining]) -> dict[str, str]:
    headers = {}
    for each in remaining:
        kind = "req" if each.kind == "requests" else "tokens"
        headers[f"x-ratelimit-limit-{kind}-minute"] = str(each.limit)
        headers[f"x-ratelimit-remaining-{kind}-minute"] = str(each.amount)
    return headers


def _mistral_identity(identity: str, request: ReceivedRequest, reply: Reply) -> dict[str, str]:  # noqa: ARG001
    return {"mistral-correlation-id": identity, "x-kong-request-id": identity}


# https://docs.mistral.ai/resources/error-glossary
MISTRAL = Protocol(
    refusals={
        "rate_limit": (429, "rate_limited", "1300", "Rate limit exceeded"),
        "quota": (429, "rate_limited", "1300", "Rate limit exceeded"),
        "insufficient_funds": (402, "invalid_request_error", None, "Payment required"),
        "capacity": (
            429, "service_tier_capacity_exceeded", "3505",
            "Service tier capacity exceeded for this model.",
        ),
        "server_error": (500, "internal_server_error", "1000", "Internal server error"),
        "unavailable": (503, "unreachable_backend", "1800", "Service unavailable."),
        "authentication": (401, "unauthorized", None, "Unauthorized"),
        "permission": (403, "forbidden", None, "Forbidden"),
        "invalid_request": (422, "unprocessable", None, "Input should be a valid number"),
        "context_length": (
            400, "invalid_request_prompt_too_long", "3051",
            "Prompt contains 210000 tokens, too large for model with 131072 maximum context length",
        ),
        "not_found": (404, "invalid_request_error", None, "The model does not exist."),
        "content_filter": (403, "guardrail_intervened", None, "A guardrail was triggered."),
    },
    error_type={
        400: "invalid_request_error",
        401: "unauthorized",
        422: "unprocessable",
        500: "internal_server_error",
    },
    error_body=_mistral_body,
    error_event=sse.event,
    broken_event=b'data: {"id": \n\n',
    limit_headers=_mistral_limits,
    identity_headers=_mistral_identity,
)  # fmt: skip
