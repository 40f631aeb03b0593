"""Voyage AI's errors."""

from __future__ import annotations

from . import sse
from .messages import Json, ReceivedRequest
from .openai_protocol import OPENAI
from .protocol_spec import Protocol


def is_voyage(request: ReceivedRequest) -> bool:
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
