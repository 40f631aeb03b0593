"""Why an answer of Gemini ended, in the conventions' words."""

from __future__ import annotations

from collections.abc import Mapping

from llm_otel.base import read

# https://ai.google.dev/api/generate-content#FinishReason; others pass as they are, in lower case.
_FINISH_REASONS: Mapping[str, str] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION",
            "PUP_LIMITED_DISABLED",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "FINISH_REASON_UNSPECIFIED",
            "OTHER", "IMAGE_OTHER", "NO_IMAGE",
        ),
        "error",
    ),
}  # fmt: skip


# What clients from before google-genai write for the first of them: the enum of the protocol.
# https://github.com/googleapis/googleapis, google/ai/generativelanguage/v1beta
_NUMBERS: Mapping[int, str] = {
    1: "STOP",
    2: "MAX_TOKENS",
    3: "SAFETY",
    4: "RECITATION",
    5: "OTHER",
    6: "BLOCKLIST",
    7: "PROHIBITED_CONTENT",
    8: "SPII",
    9: "MALFORMED_FUNCTION_CALL",
}


# Status of an interaction that has ended -> why, in the conventions' words.
INTERACTION_REASONS: Mapping[str, str] = {
    "completed": "stop",
    "idle": "stop",
    "requires_action": "tool_call",
    "incomplete": "length",
    "requires_continuation": "length",
    "budget_exceeded": "length",
    "failed": "error",
    "cancelled": "cancelled",
}


def finish_reason(value: object, calls_tool: bool = False) -> str:
    """The conventions' word for a finish reason: `error` for a missing one.

    Args:
        value: As Gemini sent it.
        calls_tool: The answer holds the call of a function, for which Gemini has no word.
    """
    name = _NUMBERS.get(value) if type(value) is int else read.string(value)
    if name is None:
        return "error"
    reason = _FINISH_REASONS.get(name, name.lower())
    return "tool_call" if calls_tool and reason == "stop" else reason
