"""Google's errors, which tell a request of Gemini's too."""

from __future__ import annotations

import re

from . import sse
from .messages import Json, ReceivedRequest
from .protocol_spec import Protocol

_VERBS = re.compile(r":(\w*[gG]enerateContent|\w*[eE]mbedContents?|countTokens|predict\w*)$")


def is_google(request: ReceivedRequest) -> bool:
    """Whether Google's SDK sent a request, or its path is one of Google's."""
    return "x-goog-api-client" in request.headers or bool(_VERBS.search(request.path))


# https://cloud.google.com/apis/design/errors#handling_errors
_STATUS = {
    "INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503,
}  # fmt: skip


def _google_body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    error: Json = {"code": _STATUS.get(type_, 400), "message": message, "status": type_}
    if code in _REASONS:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}
        error["details"] = [{**info, "domain": "googleapis.com"}]
    return {"error": error}


_REASONS = ("API_KEY_INVALID", "BILLING_DISABLED")

GOOGLE = Protocol(
    refusals={
        "rate_limit": (
            429, "RESOURCE_EXHAUSTED", None, "Resource has been exhausted (e.g. check quota)."
        ),
        "quota": (429, "RESOURCE_EXHAUSTED", None, "You exceeded your current quota."),
        "insufficient_funds": (
            403, "PERMISSION_DENIED", "BILLING_DISABLED",
            "This API method requires billing to be enabled.",
        ),
        "capacity": (503, "UNAVAILABLE", None, "The model is overloaded. Try again later."),
        "server_error": (500, "INTERNAL", None, "An internal error has occurred."),
        "unavailable": (503, "UNAVAILABLE", None, "The service is currently unavailable."),
        "authentication": (
            400, "INVALID_ARGUMENT", "API_KEY_INVALID",
            "API key not valid. Please pass a valid API key.",
        ),
        "permission": (
            403, "PERMISSION_DENIED", None, "The caller does not have permission."
        ),
        "invalid_request": (
            400, "INVALID_ARGUMENT", None, "Request contains an invalid argument."
        ),
        "context_length": (
            400, "INVALID_ARGUMENT", None,
            "The input token count (1100000) exceeds the maximum number of tokens allowed.",
        ),
        "not_found": (404, "NOT_FOUND", None, "models/none is not found for API version v1beta."),
        "content_filter": (
            400, "INVALID_ARGUMENT", None, "The prompt could not be submitted: it was blocked."
        ),
    },
    error_type={
        400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"
    },
    error_body=_google_body,
    error_event=sse.event,
    broken_event=b'data: {"candidates": \n\n',
    limit_headers=lambda _: {},
    identity_headers=lambda *_: {},
)  # fmt: skip
