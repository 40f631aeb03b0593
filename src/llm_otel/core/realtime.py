"""Reads a response of the Realtime API, which tells its end by `status` and `status_details`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.core import body_errors

if TYPE_CHECKING:
    from llm_otel.clients.spec import Endpoint
    from llm_otel.core.extract import Answer
    from llm_otel.providers.dialects import Dialect

_CALLS_OF_THE_CALLER = frozenset({"function_call", "mcp_approval_request"})
_INCOMPLETE_REASONS = {"max_output_tokens": "length"}


def read_answer(
    result: Answer,
    body: Mapping[str, object],
    endpoint: Endpoint,  # noqa: ARG001
    dialect: Dialect,
) -> None:
    """Add how a response ended.

    Args:
        result: Where to.
        body: The `response` of a `response.done`.
        endpoint: Not needed: there is one.
        dialect: The provider's error codes.
    """
    details = body.get("status_details")
    if result.status == "completed":
        kinds = {read.text(item, "type") for item in read.items(body, "output")}
        calls = not kinds.isdisjoint(_CALLS_OF_THE_CALLER)
        result.finish_reasons = ["tool_call" if calls else "stop"]
    elif result.status == "incomplete":
        reason = read.string(read.get(details, "reason")) or "incomplete"
        result.finish_reasons = [_INCOMPLETE_REASONS.get(reason, reason)]
    elif result.status == "cancelled":
        result.finish_reasons = [semconv.CANCELLED]
    elif result.status == "failed":
        result.finish_reasons = ["error"]
        result.error = body_errors.in_response(details, dialect, failed=True)
