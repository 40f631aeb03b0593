"""The errors of Hugging Face's own tasks."""

from __future__ import annotations

from . import sse
from .messages import Json
from .protocol_spec import Protocol


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
