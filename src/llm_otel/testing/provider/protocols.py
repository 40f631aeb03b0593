"""What all endpoints of one provider's API share: its errors, and the headers of its replies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from . import aws_events, sse
from .limits import Remaining, duration
from .messages import Json, ReceivedRequest, Reply, model_in_path

# Status, type, code and message of an error.
Refusal = tuple[int, str, "str | None", str]


@dataclass(frozen=True)
class Protocol:
    """How one provider's API speaks, whatever the endpoint.

    Attributes:
        refusals: The error that is answered for each of `REFUSALS`.
        error_type: Type of an error that says no better one, by status; the default is at 400.
        error_body: The body of an error, from its type, code, parameter and message.
        error_event: How a stream reports an error, from the error's body.
        broken_event: An event of a stream whose JSON is broken.
        limit_headers: The headers that tell of the rate limit.
        identity_headers: Headers that name the request, from its id, the request and its reply.
    """

    refusals: Mapping[str, Refusal]
    error_type: Mapping[int, str]
    error_body: Callable[[str, str | None, str | None, str], Json]
    error_event: Callable[[Json], bytes]
    broken_event: bytes
    limit_headers: Callable[[Iterable[Remaining]], dict[str, str]]
    identity_headers: Callable[[str, ReceivedRequest, Reply], dict[str, str]]

    def error(
        self,
        status: int,
        message: str,
        *,
        type_: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply for an error."""
        type_ = type_ or self.error_type.get(status) or self.error_type[400]
        body = self.error_body(type_, code, param, message)
        return Reply(status=status, body=body, headers=headers or {})

    def refusal(self, fault: str, headers: Mapping[str, str]) -> Reply:
        """The reply for one of `REFUSALS`."""
        status, type_, code, message = self.refusals[fault]
        return self.error(status, message, type_=type_, code=code, headers=headers)


def protocol_of(request: ReceivedRequest) -> Protocol:
    """Anthropic's where the path or a header of its SDK shows it, else OpenAI's."""
    if request.path.endswith("/invoke-with-response-stream"):
        return BEDROCK_STREAM
    if request.route in ("/v1/generate", "/v1/features"):
        return HUGGINGFACE
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


# ------------------------------------------------------------------ Hugging Face
def _huggingface_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"error": message, "error_type": type_}


# https://huggingface.co/docs/text-generation-inference/reference/api_reference
HUGGINGFACE = Protocol(
    refusals={
        "rate_limit": (429, "overloaded", None, "Model is overloaded"),
        "quota": (402, "billing", None, "You have exceeded your monthly included credits."),
        "insufficient_funds": (402, "billing", None, "Pre-paid credits are required."),
        "capacity": (503, "overloaded", None, "Model too busy"),
        "server_error": (500, "generation", None, "Request failed during generation"),
        "unavailable": (503, "overloaded", None, "Service Unavailable"),
        "authentication": (401, "authentication", None, "Invalid username or password."),
        "permission": (403, "permission", None, "This authentication method is not allowed."),
        "invalid_request": (422, "validation", None, "Input validation error"),
        "context_length": (422, "validation", None, "`inputs` must have less than 4096 tokens"),
        "not_found": (404, "not_found", None, "Model not found"),
        "content_filter": (400, "validation", None, "The prompt was filtered"),
    },
    error_type={400: "validation"},
    error_body=_huggingface_body,
    error_event=sse.event,
    broken_event=b'data: {"token": \n\n',
    limit_headers=lambda _remaining: {},
    identity_headers=lambda identity, _request, _reply: {"x-request-id": identity},
)

REFUSALS = tuple(OPENAI.refusals)
"""Names of the faults that are answered with an error."""
