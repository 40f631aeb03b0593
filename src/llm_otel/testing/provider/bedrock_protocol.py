"""How Amazon Bedrock's runtime speaks: errors with a type, frames of AWS in streams."""

from __future__ import annotations

from collections.abc import Iterable

from . import aws_events
from .limits import Remaining
from .messages import Json, ReceivedRequest, Reply
from .protocol_spec import Protocol

_TYPE = "__type"


def _body(type_: str, code: str | None, param: str | None, message: str) -> Json:  # noqa: ARG001
    return {"message": message, _TYPE: type_}


def _limits(remaining: Iterable[Remaining]) -> dict[str, str]:  # noqa: ARG001
    return {}


def _identity(identity: str, request: ReceivedRequest, reply: Reply) -> dict[str, str]:  # noqa: ARG001
    headers = {"x-amzn-requestid": identity}
    if isinstance(reply.body, dict) and _TYPE in reply.body:
        headers["x-amzn-errortype"] = f"{reply.body[_TYPE]}:http://internal.amazon.com/coral/"
    return headers


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
BEDROCK = Protocol(
    refusals={
        "rate_limit": (
            429, "ThrottlingException", None,
            "Too many requests, please wait before trying again.",
        ),
        "quota": (
            400, "ServiceQuotaExceededException", None, "You have exceeded your service quota."
        ),
        "insufficient_funds": (
            402, "AccessDeniedException", None,
            "Model access is denied due to INVALID_PAYMENT_INSTRUMENT.",
        ),
        "capacity": (429, "ModelNotReadyException", None, "Model is not ready for inference."),
        "server_error": (
            500, "InternalServerException", None,
            "The system encountered an unexpected error during processing.",
        ),
        "unavailable": (
            503, "ServiceUnavailableException", None, "Bedrock is unable to process your request."
        ),
        "authentication": (
            403, "UnrecognizedClientException", None,
            "The security token included in the request is invalid.",
        ),
        "permission": (
            403, "AccessDeniedException", None, "You don't have access to the model."
        ),
        "invalid_request": (400, "ValidationException", None, "Malformed input request."),
        "context_length": (
            400, "ValidationException", None, "Input is too long for requested model."
        ),
        "not_found": (
            404, "ResourceNotFoundException", None, "Could not resolve the foundation model."
        ),
        "content_filter": (
            400, "ValidationException", None,
            "This request has been blocked by our content filters.",
        ),
    },
    error_type={
        400: "ValidationException",
        404: "ResourceNotFoundException",
        500: "InternalServerException",
    },
    error_body=_body,
    error_event=lambda body: aws_events.exception(body["message"]),
    broken_event=aws_events.chunk(b'{"type": '),
    limit_headers=_limits,
    identity_headers=_identity,
)  # fmt: skip
