"""Which provider's API a request is of; those of OpenAI and Anthropic."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone

from . import aws_events, sse
from .cohere_protocol import COHERE, COHERE_LINES, ROUTES
from .limits import Remaining, duration
from .messages import Json, ReceivedRequest, Reply, model_in_path
from .ollama_protocol import OLLAMA
from .protocol_spec import Protocol


def protocol_of(request: ReceivedRequest) -> Protocol:
    """That of whose path it is, or of whose SDK's headers; else OpenAI's."""
    if request.path.endswith("/invoke-with-response-stream"):
        return BEDROCK_STREAM
    if request.path.startswith("/api/"):
        return OLLAMA
    if request.route in ROUTES or request.headers.get("x-fern-sdk-name") == "cohere":
        return COHERE if request.route.startswith("/v1/v2/") else COHERE_LINES
    anthropic = request.route.startswith("/v1/messages") or "anthropic-version" in request.headers
    return ANTHROPIC if anthropic else OPENAI


# ------------------------------------------------------------------ OpenAI
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


# ------------------------------------------------------------------ Anthropic
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

# What is streamed comes in frames of AWS; an exception has a frame of its own.
BEDROCK_STREAM = replace(
    ANTHROPIC,
    error_event=lambda body: aws_events.exception(body["error"]["message"]),
    broken_event=aws_events.chunk(b'{"type": '),
)

REFUSALS = tuple(OPENAI.refusals)
"""Names of the faults that are answered with an error."""
