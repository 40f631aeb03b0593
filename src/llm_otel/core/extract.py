"""From a provider's body to facts: pure functions that read and never trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint, UsageMap
from llm_otel.core import read
from llm_otel.usage import Usage

# Provider's finish reason -> the conventions' word; others pass as they are.
_FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
_INCOMPLETE_REASONS = {"max_output_tokens": "length"}

# States in which a response or a batch changes no more.
_TERMINAL = frozenset({"completed", "failed", "incomplete", "cancelled", "expired"})

# Output items of which no hosted tool's usage is to be read.
_OF_NO_TOOL = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})

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

_IMAGE_TOOL = "image_generation"


@dataclass(slots=True)
class Answer:
    """What a response told.

    Attributes:
        response_id, model, status, service_tier, fingerprint: As the provider sent them.
        finish_reasons: One per choice, in the conventions' words.
        usage: None when the provider reported none.
        error_code: The provider's code of a failure that came with HTTP 200.
        cost_usd: What the provider says it bills, where it says so.
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
    error_code: str | None = None
    cost_usd: float | None = None
    background: bool = False
    usage_source: str = semconv.USAGE_FROM_PROVIDER
    requests: int = 1

    @property
    def terminal(self) -> bool:
        """Whether the state that was told is a last one."""
        return self.status in _TERMINAL


def usage(node: object, endpoint: Endpoint) -> Usage | None:
    """The usage in a response or chunk, or None when there is none that makes sense."""
    for way in endpoint.usage_at:
        reported = read.path(node, way)
        if reported is not None and not isinstance(reported, (str, list, int, float)):
            numbers = read.fields(reported)
            result = Usage()
            _fill(result, numbers, endpoint.usage)
            total = numbers.get("total_tokens")
            if total == result.input_tokens + result.output_tokens + result.reasoning_tokens:
                # xAI and others report the reasoning beside the output, not inside it.
                result.output_tokens += result.reasoning_tokens
            if result.input_tokens or result.output_tokens or result.audio_seconds:
                return result
            if total == 0:
                return result
    return None


def _fill(result: Usage, reported: Mapping[str, object], fields: UsageMap) -> None:
    for key, destination in fields.items():
        value = reported.get(key)
        if not value:
            continue
        if type(destination) is not str:
            _fill(result, read.fields(value), destination)  # type: ignore[arg-type]
        elif destination == "audio_seconds":
            result.audio_seconds = read.number(value) or result.audio_seconds
        else:
            amount = read.count(value)
            if amount:
                setattr(result, destination, amount)


def answer(node: object, endpoint: Endpoint) -> Answer:
    """Everything that a whole response tells."""
    told = read.fields(node)
    value, string = told.get, read.string
    result = Answer(
        string(value("id")),
        string(value("model")),
        string(value("status")),
        string(value("service_tier")),
        string(value("system_fingerprint")),
        usage=usage(told, endpoint),
    )
    reader = _READERS.get(endpoint.kind)
    if reader is not None:
        reader(result, told, endpoint)
    return result


def _choices(result: Answer, told: Mapping[str, object], endpoint: Endpoint) -> None:  # noqa: ARG001
    result.finish_reasons = [
        finish_reason(read.get(choice, "finish_reason")) for choice in read.items(told, "choices")
    ]
    if told.get("usage") is not None:
        result.cost_usd = read.number(read.get(told["usage"], "cost"))
    result.error_code = told_error(told)


def _batch(result: Answer, told: Mapping[str, object], endpoint: Endpoint) -> None:  # noqa: ARG001
    done = read.count(read.path(told, ("request_counts", "completed")))
    result.requests = max(done, 1)


def told_error(node: object) -> str | None:
    """The code of an error that came in a body with HTTP 200; None when there is no error."""
    error = read.get(node, "error")
    if not error:
        return None
    for key in ("code", "type"):
        value = read.get(error, key)
        if (isinstance(value, str) and value) or type(value) is int:
            return str(value)
    return semconv.OTHER


def finish_reason(value: object) -> str:
    """A choice's finish reason in the conventions' words; `error` for a missing one."""
    reason = read.string(value) or "error"
    return _FINISH_REASONS.get(reason, reason)


def _responses(result: Answer, told: Mapping[str, object], endpoint: Endpoint) -> None:
    """The Responses API tells its end by `status`, and hosted tools' usage outside `usage`."""
    items = read.items(told, "output")
    kinds = {read.text(item, "type") for item in items}
    result.background = told.get("background") is True
    if result.status == "completed":
        calls = not kinds.isdisjoint(_CALLS_OF_THE_CALLER)
        result.finish_reasons = ["tool_call" if calls else "stop"]
    elif result.status == "incomplete":
        reason = read.path(told, ("incomplete_details", "reason"))
        known = read.string(reason) or "incomplete"
        result.finish_reasons = [_INCOMPLETE_REASONS.get(known, known)]
    elif result.status in ("failed", "cancelled"):
        result.finish_reasons = ["error"]
    if result.status == "failed":
        code = read.path(told, ("error", "code"))
        result.error_code = code if isinstance(code, str) else semconv.OTHER
    if result.usage is not None and (told.get("tool_usage") or not kinds <= _OF_NO_TOOL):
        _hosted_tools(result.usage, told, items, endpoint.drawing)


def _hosted_tools(
    into: Usage, response: Mapping[str, object], items: list[object], drawing: UsageMap
) -> None:
    told = read.path(response, ("tool_usage", "web_search", "num_requests"))
    into.web_searches = read.count(told) if told is not None else _searches(items)
    into.file_searches = sum(_completed(item, "file_search_call") for item in items)
    image = read.path(response, ("tool_usage", "image_gen"))
    drawn = Usage()
    _fill(drawn, read.fields(image), drawing)
    extra = [_svg_usage(item) for item in items]
    if drawn.input_tokens or drawn.output_tokens:
        extra.append((_image_model(response), drawn))
    into.extra = tuple(each for each in extra if each is not None)


def _searches(items: list[object]) -> int:
    """Searches among the output items, where the response has no `tool_usage`: opening a page and
    finding in it are not billed."""
    return sum(
        _completed(item, "web_search_call")
        and read.path(item, ("action", "type")) in (None, "search")
        for item in items
    )


def _completed(item: object, kind: str) -> bool:
    return read.get(item, "type") == kind and read.get(item, "status") == "completed"


def _image_model(node: object) -> str | None:
    for tool in read.items(node, "tools"):
        if read.get(tool, "type") == _IMAGE_TOOL:
            return read.text(tool, "model")
    return None


def _svg(result: Answer, node: Mapping[str, object], endpoint: Endpoint) -> None:  # noqa: ARG001
    written = _svg_usage(node)
    if written is not None:
        result.usage = result.usage or Usage()
        result.usage.extra = (written,)


def _svg_usage(node: object) -> tuple[str | None, Usage] | None:
    """SVG authoring is billed for a model of its own, told beside the image's usage."""
    written = read.get(node, "svg_usage")
    usage = Usage(
        input_tokens=read.count(read.get(written, "input_tokens")),
        output_tokens=read.count(read.get(written, "output_tokens")),
        reasoning_tokens=read.count(read.get(written, "reasoning_tokens")),
    )
    if not (usage.input_tokens or usage.output_tokens):
        return None
    return read.text(written, "model"), usage


# What an answer of a kind tells beyond what all tell.
_READERS: Mapping[str, Callable[[Answer, Mapping[str, object], Endpoint], None]] = {
    "chat": _choices,
    "completion": _choices,
    "responses": _responses,
    "image": _svg,
    "batch": _batch,
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
    attributes[semconv.USAGE_INPUT_TOKENS] = used.input_tokens
    attributes[semconv.USAGE_OUTPUT_TOKENS] = used.output_tokens
    for name, value in zip(_PART_ATTRIBUTES, _parts(used)):
        if value:
            attributes[name] = value
    if used.cache_write_tokens:
        for name in cache_write:
            attributes[name] = used.cache_write_tokens
