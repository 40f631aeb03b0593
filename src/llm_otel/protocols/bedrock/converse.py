"""Converse: one shape for all models; Nova's own bodies have it, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.bedrock import models
from llm_otel.protocols.bedrock.common import Bedrock, guardrail_attributes, tier
from llm_otel.protocols.bedrock.stop_reasons import finish_reason
from llm_otel.protocols.requests import Attributes, inner, read_attributes, strings
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, UsageMap
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Tokens read from a cache and written to one lie beside the input, by either name (Nova's own
# bodies, the metrics of a stream).
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
USAGE: UsageMap = {
    "inputTokens": "input_tokens",
    "inputTokenCount": "input_tokens",
    "outputTokens": "output_tokens",
    "outputTokenCount": "output_tokens",
    "totalTokens": "total_tokens",
    **dict.fromkeys(
        ("cacheReadInputTokens", "cacheReadInputTokenCount"), ("cache_read_tokens", "input_tokens")
    ),
    **dict.fromkeys(
        ("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        ("cache_write_tokens", "input_tokens"),
    ),
    "cacheDetails": {"5m": "cache_write_short_tokens", "1h": "cache_write_long_tokens"},
}


def _json(form: object) -> str | None:
    return "json" if read.text(form, "type") == "json_schema" else None


# What says how to sample, by Converse's names and Nova's.
_SAMPLING: Attributes = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, read.number),),
    "topP": ((semconv.REQUEST_TOP_P, read.number),),
    "top_p": ((semconv.REQUEST_TOP_P, read.number),),
    "topK": ((semconv.REQUEST_TOP_K, read.integer),),
    "top_k": ((semconv.REQUEST_TOP_K, read.integer),),
    "maxTokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "max_new_tokens": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "stopSequences": ((semconv.REQUEST_STOP_SEQUENCES, strings),),
    "seed": ((semconv.REQUEST_SEED, read.integer),),
    "reasoning_effort": ((semconv.REQUEST_REASONING_LEVEL, read.string),),
    "output_config": ((semconv.REQUEST_REASONING_LEVEL, inner("effort", read.string)),),
    "reasoningConfig": (
        (semconv.REQUEST_REASONING_LEVEL, inner("maxReasoningEffort", read.string)),
    ),
}
# The objects of a request that hold these, and of Nova's that hold one such object more.
_CONFIGS = ("inferenceConfig", "additionalModelRequestFields")
ATTRIBUTES: Attributes = {
    "outputConfig": (
        (semconv.OUTPUT_TYPE, inner("textFormat", _json)),
        (semconv.REQUEST_REASONING_LEVEL, inner("effort", read.string)),
    ),
}


class Converse(Bedrock):
    """A message and why it stopped; in a stream, events."""

    attributes = ATTRIBUTES

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """See `Protocol`."""
        result = {**read_attributes(body, ATTRIBUTES), **guardrail_attributes(body)}
        for key in _CONFIGS:
            config = body.get(key)
            if config is not None:
                fields = read.fields(config)
                result.update(read_attributes(fields, _SAMPLING))
                if (nested := fields.get(_CONFIGS[0])) is not None:
                    result.update(read_attributes(read.fields(nested), _SAMPLING))
        return result

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Everything that a whole answer tells."""
        body = read.fields(node)
        result = Answer(
            model=_routed(body.get("trace")),
            service_tier=tier(body),
            usage=token_usage(body.get("usage"), endpoint),
        )
        if body.get("stopReason") is not None or body.get("output") is not None:
            result.finish_reasons = [finish_reason(body.get("stopReason"))]
        blocks = read.items(read.path(body, ("output", "message")), "content")
        if result.usage is not None and any(map(_is_hosted, blocks)):
            result.usage.partial = True
        return result

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:  # noqa: ARG002
        """Events, from `messageStart` to `metadata`."""
        return Events(endpoint)

    def request_content(self, body: object) -> Content:
        """Messages, system and tools."""
        from llm_otel.protocols.bedrock.converse_content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """The message."""
        from llm_otel.protocols.bedrock.converse_content import response_content

        return response_content(response)

    def accumulator(self) -> Accumulator:
        """Blocks, as their events tell them."""
        from llm_otel.protocols.bedrock.converse_content import Blocks

        return Blocks()


def token_usage(report: object, endpoint: Endpoint) -> Usage | None:
    """A usage; what its total holds beyond its counts is marked."""
    fields = read.fields(report)
    details = fields.get("cacheDetails")
    if type(details) is list:
        lifetimes: dict[object, int] = {}
        for each in details:
            ttl = read.text(each, "ttl")
            lifetimes[ttl] = lifetimes.get(ttl, 0) + read.count(read.get(each, "inputTokens"))
        fields = {**fields, "cacheDetails": lifetimes}
    used = usage.usage(None, endpoint, fields)
    if used is not None:
        excess = read.count(fields.get("totalTokens")) - used.input_tokens - used.output_tokens
        used.unexplained_tokens = max(excess, 0)
    return used


def _routed(trace: object) -> str | None:
    """The model that a prompt router chose."""
    invoked = read.string(read.path(trace, ("promptRouter", "invokedModelId")))
    if invoked is None:
        return None
    return models.parsed(invoked).name or invoked


def _is_hosted(block: object) -> bool:
    """Whether a block shows a tool that AWS runs, which has a price of its own."""
    return read.path(block, ("toolUse", "type")) == "server_tool_use"


class Events:
    """Folds the events of a stream. The last tells the usage, the last but one why it stopped."""

    __slots__ = ("_hosted", "_metadata", "_started", "_stop", "endpoint", "hides")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.hides = False
        self._started = False
        self._hosted = False
        self._stop: object = None
        self._metadata: object = None

    def goes_on(self, chunk: Any) -> bool:
        """Whether an event is a piece of a block, or its end; see `Fold`."""
        return "contentBlockDelta" in chunk or "contentBlockStop" in chunk

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        event = read.fields(chunk)
        self._started = True
        if "messageStop" in event:
            self._stop = read.get(event["messageStop"], "stopReason") or "error"
        elif "metadata" in event:
            self._metadata = event["metadata"]
        elif "contentBlockStart" in event:
            self._hosted |= _is_hosted(read.get(event["contentBlockStart"], "start"))

    def answer(self) -> Answer:
        """What the events told so far."""
        last = read.fields(self._metadata)
        result = Answer(
            model=_routed(last.get("trace")),
            service_tier=tier(last),
            usage=token_usage(last.get("usage"), self.endpoint),
        )
        if self._started:
            result.finish_reasons = [finish_reason(self._stop)]
        if result.usage is not None and self._hosted:
            result.usage.partial = True
        return result

    @property
    def ended(self) -> bool:
        """Whether the event came that says why the message stopped."""
        return self._stop is not None
