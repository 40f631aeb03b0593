"""Cohere's words for how an answer ended, and for what an event is."""

from __future__ import annotations

from collections.abc import Mapping

from llm_otel.base import read

# v1 has more of them than v2; others pass as they are.
# https://docs.cohere.com/reference/chat#response.body.finish_reason
_FINISH_REASONS: Mapping[str, str] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_call",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
    "USER_CANCEL": "cancelled",
}


def finish_reason(value: object) -> str | None:
    """The conventions' word for a finish reason; None where there is none."""
    reason = read.string(value)
    return None if reason is None else _FINISH_REASONS.get(reason, reason)


def kind_of(event: object) -> str | None:
    """What an event is: `type` in v2, `event_type` in v1."""
    return read.text(event, "type") or read.text(event, "event_type")
