"""OpenAI's errors, headers and identities."""

from __future__ import annotations

from collections.abc import Iterable

from . import sse
from .limits import Remaining, duration
from .messages import Json, ReceivedRequest, Reply, model_in_path
from .protocol_spec import Protocol


def _openai_body(type_: str, code: str | None, param: str | None, message: str) -> Json:
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def _openai_limits(remaining: Iterable[Remaining]) -> dict[str, str]:
    headers = {}
    for each in remaining:
        headers[f"x-ratelimit-limit-{each.kind}"] = str(each.limit)
        headers[f"x-ratelimit-remaining-{each.kind}"] = str(each.amount)
        headers[f"x-ratelimit-reset-{each.kind}"] = duration(each.seconds)
    return headers


def _openai_identity(identity: str, request: ReceivedRequest, reply: Reply) -> dict[str, str]:
    headers = {
        "x-request-id": identity,
        "openai-processing-ms": str(max(1, round(reply.delay * 1000))),
        "openai-version": "2020-10-01",
    }
    return {**headers, "apim-request-id": identity} if model_in_path(request.path) else headers


OPENAI = Protocol(
    refusals={
        "rate_limit": (
            429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."
        ),
        "quota": (
            429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."
        ),
        "insufficient_funds": (
            402, "insufficient_balance", "insufficient_balance",
            "Insufficient balance. Add credits to continue.",
        ),
        "capacity": (498, "server_error", "capacity_exceeded", "The tier has no capacity left."),
        "server_error": (
            500, "server_error", None, "The server had an error processing your request."
        ),
        "unavailable": (
            503, "server_error", "overloaded", "The engine is currently overloaded."
        ),
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
    },
    error_type={400: "invalid_request_error"},
    error_body=_openai_body,
    error_event=sse.event,
    broken_event=b'data: {"id": \n\n',
    limit_headers=_openai_limits,
    identity_headers=_openai_identity,
)  # fmt: skip

REFUSALS = tuple(OPENAI.refusals)
"""Names of the faults that are answered with an error."""
