"""Why a message stopped, in the conventions' words."""

from __future__ import annotations

from collections.abc import Mapping

from llm_otel.base import read

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}


def finish_reason(value: object) -> str:
    """The conventions' word for a stop reason: `error` for a missing one."""
    reason = read.string(value) or "error"
    return _FINISH_REASONS.get(reason, reason)
