"""Batch jobs: many requests, whose usage only the file of their results tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.mistral.common import HEADERS, error_in
from llm_otel.protocols.spec import Endpoint, Protocol

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# https://docs.mistral.ai/capabilities/batch
_STATUS = {
    "QUEUED": "in_progress",
    "RUNNING": "in_progress",
    "CANCELLATION_REQUESTED": "in_progress",
    "SUCCESS": "completed",
    "FAILED": "failed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLED": "cancelled",
}


class Batches(Protocol):
    """A job tells how far it is, and not what it used."""

    headers = HEADERS

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Id, model and status."""
        body = read.fields(node)
        return Answer(
            read.string(body.get("id")),
            read.string(body.get("model")),
            _STATUS.get(read.string(body.get("status")) or ""),
            error=error_in(body, dialect),
            requests=max(read.count(body.get("succeeded_requests")), 1),
        )
