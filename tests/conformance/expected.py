"""What a recorded exchange must show, read from its body by a parser of the tests' own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ERROR_CLASSES = {400: "invalid_request", 401: "authentication", 403: "permission",
                 404: "not_found", 429: "rate_limit", 500: "server"}  # fmt: skip
FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call", None: "error"}
INCOMPLETE = {"max_output_tokens": "length"}


@dataclass
class Expected:
    """The facts of one exchange; None and [] for what its body does not tell."""

    model: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None


def is_stream(text: str) -> bool:
    """Whether a body is server-sent events; recordings do not always name their type."""
    return text.lstrip().startswith(("data:", "event:"))


def expected(status: int, text: str, *, parsed: bool) -> Expected:
    """The facts of a body.

    Args:
        status: Of the response.
        text: Its body.
        parsed: The SDK parses the body before it returns, and fails on an empty one.
    """
    if status >= 400:
        return Expected(error=ERROR_CLASSES[status])
    if not text:
        return Expected(error="other" if parsed else None)
    if not is_stream(text):
        return _whole(json.loads(text))
    lines = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    return _whole(_assembled([json.loads(line) for line in lines if line != "[DONE]"]))


def _assembled(events: list[Json]) -> Json:
    """The whole body that a stream's events amount to."""
    if any(str(event.get("type", "")).startswith("response.") for event in events):
        return next(
            event["response"]
            for event in reversed(events)
            if event["type"].rpartition(".")[2] in ("completed", "incomplete", "failed")
        )
    whole: Json = {}
    choices: dict[int, Json] = {}
    for event in events:
        for key in ("id", "model"):
            whole[key] = whole.get(key) or event.get(key)
        whole["usage"] = (
            event.get("usage") or (event.get("x_groq") or {}).get("usage") or whole.get("usage")
        )
        for choice in event.get("choices") or ():
            seen = choices.setdefault(choice["index"], {"finish_reason": None})
            seen["finish_reason"] = choice.get("finish_reason") or seen["finish_reason"]
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


def _whole(body: Json) -> Expected:
    usage = body.get("usage") or {}
    inside = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outside = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return Expected(
        model=body.get("model") or None,
        response_id=body.get("id"),
        input_tokens=usage.get("prompt_tokens", usage.get("input_tokens")),
        output_tokens=usage.get("completion_tokens", usage.get("output_tokens", usage and 0))
        if usage
        else None,
        cached=inside.get("cached_tokens") or usage.get("cached_tokens") or None,
        reasoning=outside.get("reasoning_tokens") or None,
        finish_reasons=_finish_reasons(body),
        error="server" if body.get("status") == "failed" else None,
    )


def _finish_reasons(body: Json) -> list[str]:
    if body.get("object") == "response":
        if body["status"] == "completed":
            called = any(item["type"] == "function_call" for item in body["output"])
            return ["tool_call" if called else "stop"]
        if body["status"] == "incomplete":
            reason = body["incomplete_details"]["reason"]
            return [INCOMPLETE.get(reason, reason)]
        return ["error"]
    reasons = [choice.get("finish_reason") for choice in body.get("choices") or ()]
    return [FINISH_REASONS.get(reason, reason) for reason in reasons]
