"""From a provider's body to facts: pure functions that read and never trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.clients.spec import Endpoint
from llm_otel.core import body_errors, hosted_tools, realtime, reported_cost, reported_usage
from llm_otel.core.body_errors import BodyError
from llm_otel.core.reported_cost import ReportedCost
from llm_otel.providers.dialects import Dialect
from llm_otel.usage import Usage

# Provider's finish reason -> the conventions' word; others pass as they are.
_FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
_INCOMPLETE_REASONS = {"max_output_tokens": "length"}

# States in which a response or a batch changes no more.
_TERMINAL = frozenset({"completed", "failed", "incomplete", "cancelled", "expired"})

# Output items that ask the caller to run something and come back.
_CALLS_OF_THE_CALLER = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)


@dataclass(slots=True)
class Answer:
    """What a response told.

    Attributes:
        response_id, model, status, service_tier, fingerprint: As the provider sent them.
        finish_reasons: One per choice, in the conventions' words.
        usage: None when the provider reported none.
        error: A failure that came with HTTP 200.
        cost: What the provider says that the call cost, where it says so.
        background: The response was made in the background: its polls may be the only ones to
            see its usage.
        usage_source: Where `usage` is from: the provider, or our own count.
        requests: Over how many requests `usage` is summed (a batch).
    """

    response_id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    fingerprint: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    usage: Usage | None = None
    error: BodyError | None = None
    cost: ReportedCost | None = None
    background: bool = False
    usage_source: str = semconv.USAGE_FROM_PROVIDER
    requests: int = 1

    @property
    def terminal(self) -> bool:
        """Whether the state that was told is a last one."""
        return self.status in _TERMINAL


def answer(node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
    """Everything that a whole response tells."""
    body = read.fields(node)
    value, string = body.get, read.string
    result = Answer(
        string(value("id")),
        string(value("model")),
        string(value("status")),
        string(value("service_tier")),
        string(value("system_fingerprint")),
        usage=reported_usage.usage(body, endpoint, dialect),
    )
    # Nearly no answer of an unknown host has more in its usage than OpenAI's own.
    if dialect.costs and (not dialect.gateway or reported_cost.has_more(value("usage"))):
        result.cost = reported_cost.in_answer((body,), dialect)
    reader = _READERS.get(endpoint.kind)
    if reader is not None:
        reader(result, body, endpoint, dialect)
    elif result.usage is None or body.get("error"):
        result.error = body_errors.in_body(body, dialect)
    return result


def _choices(
    result: Answer,
    body: Mapping[str, object],
    endpoint: Endpoint,  # noqa: ARG001
    dialect: Dialect,
) -> None:
    choices = read.items(body, "choices")
    for choice in choices:
        fields = read.fields(choice)
        value = fields.get("finish_reason")
        if type(value) is str and value in _GOOD and not fields.get("error"):
            result.finish_reasons.append(_GOOD[value])
            continue
        reason = finish_reason(value)
        if reason is not None:
            result.finish_reasons.append(reason)
        if result.error is None:
            result.error = body_errors.in_choice(choice, dialect)
    if not (choices and _FAILURES.isdisjoint(body)):
        result.error = body_errors.in_body(body, dialect)
    used = result.usage
    if used is None:
        return
    if not used.output_tokens and any(map(_has_content, choices)):
        used.partial = True
    if dialect.searches_in_answers:
        hosted_tools.mark_chat(used, body, dialect)


# The finish reasons of nearly every choice; none of them is a failure.
_GOOD = {"stop": "stop", "length": "length", "tool_calls": "tool_call"}

# Keys under which a failure comes with HTTP 200.
_FAILURES = frozenset({"error", "base_resp"})


def _has_content(choice: object) -> bool:
    """Whether a choice holds anything that costs tokens."""
    message = read.get(choice, "message")
    keys = ("content", "tool_calls", "reasoning_content", "reasoning", "audio", "refusal")
    return bool(read.get(choice, "text")) or any(read.get(message, key) for key in keys)


def _batch(
    result: Answer,
    body: Mapping[str, object],
    endpoint: Endpoint,  # noqa: ARG001
    dialect: Dialect,  # noqa: ARG001
) -> None:
    done = read.count(read.path(body, ("request_counts", "completed")))
    result.requests = max(done, 1)


def finish_reason(value: object) -> str | None:
    """A choice's finish reason in the conventions' words: `error` for a missing one, None for an
    empty one."""
    if value == "":
        return None
    reason = read.string(value) or "error"
    return _FINISH_REASONS.get(reason, reason)


def _responses(
    result: Answer, body: Mapping[str, object], endpoint: Endpoint, dialect: Dialect
) -> None:
    """The Responses API tells its end by `status`, and hosted tools' usage outside `usage`."""
    items = read.items(body, "output")
    kinds = {read.text(item, "type") for item in items}
    result.background = body.get("background") is True
    if result.status == "completed":
        calls = not kinds.isdisjoint(_CALLS_OF_THE_CALLER)
        result.finish_reasons = ["tool_call" if calls else "stop"]
    elif result.status == "incomplete":
        reason = read.path(body, ("incomplete_details", "reason"))
        known = read.string(reason) or "incomplete"
        result.finish_reasons = [_INCOMPLETE_REASONS.get(known, known)]
    elif result.status in ("failed", "cancelled"):
        result.finish_reasons = ["error"]
    if body.get("error") or result.status == "failed" or not (result.status or items):
        result.error = body_errors.in_response(body, dialect, failed=result.status == "failed")
    used = result.usage
    if used is None:
        return
    if not used.output_tokens and not kinds.isdisjoint(_WITH_TOKENS):
        used.partial = True
    if dialect.searches_in_answers:
        hosted_tools.mark_chat(used, body, dialect)
    if body.get("tool_usage") or not kinds <= hosted_tools.FREE_ITEMS:
        hosted_tools.add_to(used, body, items, endpoint, dialect)


# Output items that hold tokens of the model.
_WITH_TOKENS = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})


def _svg(
    result: Answer,
    body: Mapping[str, object],
    endpoint: Endpoint,  # noqa: ARG001
    dialect: Dialect,
) -> None:
    if result.usage is None or body.get("error"):
        result.error = body_errors.in_body(body, dialect)
    written = hosted_tools.svg_usage(body)
    if written is not None:
        result.usage = result.usage or Usage()
        result.usage.extra = (written,)


# What an answer of a kind tells beyond what all tell.
_READERS: Mapping[str, Callable[[Answer, Mapping[str, object], Endpoint, Dialect], None]] = {
    "chat": _choices,
    "completion": _choices,
    "responses": _responses,
    "image": _svg,
    "batch": _batch,
    "realtime": realtime.read_answer,
}


# ------------------------------------------------------------------ requests
def _strings(value: object) -> tuple[str, ...] | None:
    items = value[: semconv.MAX_TEXTS] if type(value) is list else [value]
    found = [read.string(item) for item in items]
    return tuple(item for item in found if item is not None) if found and all(found) else None


def _not_one(value: object) -> int | None:
    return read.integer(value) if value != 1 else None


def _format(value: object) -> str | None:
    """`response_format` of chat, `text.format` of responses: an object with a type."""
    return _FORMATS.get(read.text(value, "type") or "")


_FORMATS = {"json_object": "json", "json_schema": "json", "text": "text"}

_Reader = Callable[[object], Any]
_Attribute = tuple[str, _Reader]

# Key of the request body -> attribute and how to read it. One table for all kinds: the providers
# agree on these names.
_REQUEST: Mapping[str, tuple[_Attribute, ...]] = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, read.number),),
    "top_p": ((semconv.REQUEST_TOP_P, read.number),),
    "top_k": ((semconv.REQUEST_TOP_K, read.integer),),
    "frequency_penalty": ((semconv.REQUEST_FREQUENCY_PENALTY, read.number),),
    "presence_penalty": ((semconv.REQUEST_PRESENCE_PENALTY, read.number),),
    "max_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "max_completion_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "max_output_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "stop": ((semconv.REQUEST_STOP_SEQUENCES, _strings),),
    "seed": ((semconv.REQUEST_SEED, read.integer),),
    "n": ((semconv.REQUEST_CHOICE_COUNT, _not_one),),
    "reasoning_effort": ((semconv.REQUEST_REASONING_LEVEL, read.string),),
    "reasoning": (
        (semconv.REQUEST_REASONING_LEVEL, lambda node: read.string(read.get(node, "effort"))),
    ),
    "response_format": ((semconv.OUTPUT_TYPE, _format),),
    "text": ((semconv.OUTPUT_TYPE, lambda node: _format(read.get(node, "format"))),),
    "previous_response_id": ((semconv.REQUEST_PREVIOUS_RESPONSE_ID, read.string),),
    "conversation": (
        (
            semconv.CONVERSATION_ID,
            lambda node: read.string(node) or read.string(read.get(node, "id")),
        ),
    ),
    "prompt": (
        (semconv.PROMPT_NAME, lambda node: read.string(read.get(node, "id"))),
        (semconv.PROMPT_VERSION, lambda node: read.string(read.get(node, "version"))),
    ),
    "dimensions": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "encoding_format": ((semconv.REQUEST_ENCODING_FORMATS, _strings),),
}
_TIERS_NOT_TOLD = frozenset({"auto"})


def request_attributes(body: Mapping[str, object], endpoint: Endpoint) -> dict[str, Any]:
    """Span attributes of a request body; what has not the convention's type is left out."""
    attributes: dict[str, Any] = {}
    for key, value in body.items():
        for name, reader in _REQUEST.get(key, ()):
            found = reader(value)
            if found is not None:
                attributes[name] = found
    tier = read.string(body.get("service_tier"))
    if tier is not None and tier not in _TIERS_NOT_TOLD:
        attributes[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    if endpoint.output_type is not None:
        attributes[semconv.OUTPUT_TYPE] = endpoint.output_type
    if endpoint.api_type is not None:
        attributes[semconv.OPENAI_API_TYPE] = endpoint.api_type
    return attributes


_PARTS = {
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "reasoning_tokens": semconv.USAGE_REASONING,
    "audio_input_tokens": semconv.USAGE_AUDIO_INPUT,
    "audio_output_tokens": semconv.USAGE_AUDIO_OUTPUT,
    "image_input_tokens": semconv.USAGE_IMAGE_INPUT,
    "image_output_tokens": semconv.USAGE_IMAGE_OUTPUT,
}
_parts = attrgetter(*_PARTS)
_PART_ATTRIBUTES = tuple(_PARTS.values())


def usage_attributes(attributes: dict[str, Any], used: Usage, cache_write: tuple[str, ...]) -> None:
    """Add the span attributes of a usage; subsets only where they are not 0.

    Args:
        attributes: Where to.
        used: What was billed.
        cache_write: Name or names of the cache-write attribute, which the conventions renamed.
    """
    # A count of 0 in a usage that is known to be partial is one that was not reported.
    if used.input_tokens or not used.partial:
        attributes[semconv.USAGE_INPUT_TOKENS] = used.input_tokens
    if used.output_tokens or not used.partial:
        attributes[semconv.USAGE_OUTPUT_TOKENS] = used.output_tokens
    for name, value in zip(_PART_ATTRIBUTES, _parts(used)):
        if value:
            attributes[name] = value
    if used.cache_write_tokens:
        for name in cache_write:
            attributes[name] = used.cache_write_tokens
