"""Which provider's API a request is of; those of OpenAI and Anthropic."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timezone

from . import sse
from .bedrock_protocol import BEDROCK
from .cohere_protocol import COHERE, COHERE_LINES, ROUTES
from .gemini_protocol import GOOGLE, is_google
from .huggingface_protocol import HUGGINGFACE
from .limits import Remaining, duration
from .messages import Json, ReceivedRequest, Reply, model_in_path
from .ollama_protocol import OLLAMA
from .protocol_spec import Protocol


def protocol_of(request: ReceivedRequest) -> Protocol:
    """That of whose path it is, of whose SDK's headers, or of a key of the body; else OpenAI's."""
    if request.path.startswith("/model/"):
        return BEDROCK
    if request.route.startswith("/v1/tgi/"):
        return HUGGINGFACE
    if is_google(request):
        return GOOGLE
    if request.path.startswith("/api/"):
        return OLLAMA
    if request.route in ROUTES or request.headers.get("x-fern-sdk-name") == "cohere":
        return COHERE if request.route.startswith("/v1/v2/") else COHERE_LINES
    if _is_mistral(request):
        return MISTRAL
    if _is_voyage(request):
        return VOYAGE
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

# ------------------------------------------------------------------ Mistral
_OWN_ROUTES = (
    "/v1/agents/completions", "/v1/batch/jobs", "/v1/conversations", "/v1/fim/completions",
    "/v1/ocr",
)  # fmt: skip


def _is_mistral(request: ReceivedRequest) -> bool:
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


# ------------------------------------------------------------------ Voyage AI
def _is_voyage(request: ReceivedRequest) -> bool:
    """Its SDK sends no name; what it asks for can be truncated, which nobody else's can."""
    if request.route in ("/v1/multimodalembeddings", "/v1/contextualizedembeddings"):
        return True
    shared = request.route in ("/v1/embeddings", "/v1/rerank")
    return shared and isinstance(request.json, dict) and "truncation" in request.json


def _voyage_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"detail": message}


# https://docs.voyageai.com/docs/error-codes
VOYAGE = Protocol(
    refusals={
        **OPENAI.refusals,
        "capacity": (503, "server_error", None, "The server is overloaded."),
    },
    error_type={400: "invalid_request_error"},
    error_body=_voyage_body,
    error_event=sse.event,
    broken_event=b'data: {"id": \n\n',
    limit_headers=lambda _: {},
    identity_headers=lambda identity, *_: {"request-id": identity},
)

REFUSALS = tuple(OPENAI.refusals)
"""Names of the faults that are answered with an error."""
