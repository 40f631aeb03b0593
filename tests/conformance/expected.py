"""What an exchange must show, read from its body by a parser of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import genai_prices

from llm_otel.testing import Telemetry

Json = dict[str, Any]

ERROR_CLASSES = {400: "invalid_request", 401: "authentication", 403: "permission",
                 404: "not_found", 429: "rate_limit", 500: "server"}  # fmt: skip
FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call", None: "error"}
STOP_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length",
                "tool_use": "tool_call", "refusal": "content_filter"}  # fmt: skip
INCOMPLETE = {"max_output_tokens": "length"}


@dataclass
class Facts:
    """The facts of one exchange; None and [] for what it does not tell."""

    model: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None


def is_stream(text: str) -> bool:
    """Whether a body is server-sent events; recordings do not always name their type."""
    return text.lstrip().startswith(("data:", "event:"))


def expected(status: int, text: str, *, parsed: bool) -> Facts:
    """The facts of a body.

    Args:
        status: Of the response.
        text: Its body.
        parsed: The SDK parses the body before it returns, and fails on an empty one.
    """
    if status >= 400:
        return Facts(error=ERROR_CLASSES[status])
    if not text:
        return Facts(error="other" if parsed else None)
    if not is_stream(text):
        return _whole(json.loads(text))
    lines = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    return _whole(_assembled([json.loads(line) for line in lines if line != "[DONE]"]))


def _assembled(events: list[Json]) -> Json:
    """The whole body that a stream's events amount to."""
    for event in reversed(events):
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            return event["response"]  # type: ignore[no-any-return]
    if events and events[0].get("type") == "message_start":
        return _assembled_message(events)
    whole: Json = {}
    choices: dict[int, Json] = {}
    for event in events:
        for key in ("id", "model"):
            whole[key] = whole.get(key) or event.get(key)
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
        whole["usage"] = usage or whole.get("usage")
        for choice in event.get("choices") or ():
            seen = choices.setdefault(choice["index"], {"finish_reason": None})
            seen["finish_reason"] = choice.get("finish_reason") or seen["finish_reason"]
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


def _assembled_message(events: list[Json]) -> Json:
    """The message that Anthropic's events amount to: the last ones replace what the first told."""
    message = dict(events[0]["message"])
    for event in events:
        if event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] = message["usage"] | event["usage"]
    return message


def _message(body: Json) -> Facts:
    """The facts of a message; genai-prices knows what its tokens mean."""
    extracted = genai_prices.extract_usage(body, provider_id="anthropic").usage
    return Facts(
        model=body["model"],
        response_id=body["id"],
        input_tokens=extracted.input_tokens,
        output_tokens=extracted.output_tokens,
        cached=extracted.cache_read_tokens or None,
        written=extracted.cache_write_tokens or None,
        reasoning=extracted.output_reasoning_tokens or None,
        finish_reasons=[STOP_REASONS[body["stop_reason"]]],
    )


def _whole(body: Json) -> Facts:
    if body.get("type") == "message":
        return _message(body)
    usage = body.get("usage") or {}
    inside = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outside = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return Facts(
        model=body.get("model") or None,
        response_id=body.get("id"),
        input_tokens=usage.get("prompt_tokens", usage.get("input_tokens")),
        output_tokens=usage.get("completion_tokens", usage.get("output_tokens"))
        if body.get("object") != "list"  # embeddings have no output, whatever vLLM says
        else None,
        cached=inside.get("cached_tokens") or usage.get("cached_tokens") or None,
        reasoning=outside.get("reasoning_tokens") or None,
        finish_reasons=_finish_reasons(body),
        error=_error(body),
    )


def _error(body: Json) -> str | None:
    """The class of an error that came with status 200."""
    if "error" not in body or body["error"] is None:
        return None
    return "content_filter" if body["error"]["code"] == "content_filter" else "server"


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


def shown(attributes: Mapping[str, Any]) -> Facts:
    """The facts in a span's attributes."""
    of = attributes.get
    return Facts(
        model=of("gen_ai.response.model"),
        response_id=of("gen_ai.response.id"),
        input_tokens=of("gen_ai.usage.input_tokens"),
        output_tokens=of("gen_ai.usage.output_tokens"),
        cached=of("gen_ai.usage.cache_read.input_tokens"),
        written=of("gen_ai.usage.cache_creation.input_tokens"),
        reasoning=of("gen_ai.usage.reasoning.output_tokens"),
        finish_reasons=list(of("gen_ai.response.finish_reasons", ())),
        error=of("llm_otel.error.class"),
    )


def check_metrics(telemetry: Telemetry, wanted: list[Facts]) -> None:
    """The metrics' sums are those of the usages, and nothing is left open."""

    def total(name: str) -> int:
        return sum(getattr(each, name) or 0 for each in wanted)

    value = telemetry.value
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "written": value("gen_ai.tokens.cached", cache="write"),
        "reasoning": value("gen_ai.tokens.reasoning"),
        "errors": value("gen_ai.errors"),
        "active": value("gen_ai.requests.active"),
        "internal": value("llm_otel.internal_errors"),
        "calls": telemetry.count("gen_ai.request.duration"),
    } == {
        "input": total("input_tokens"),
        "output": total("output_tokens"),
        "cached": total("cached"),
        "written": total("written"),
        "reasoning": total("reasoning"),
        "errors": sum(1 for each in wanted if each.error),
        "active": 0,
        "internal": 0,
        "calls": len(wanted),
    }
