"""Messages, whole and streamed: usage, stop reasons, errors, headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import costs, errors, usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.anthropic import surcharges
from llm_otel.protocols.anthropic.stop_reasons import finish_reason
from llm_otel.protocols.headers import Headers, of_requests, of_tokens
from llm_otel.protocols.requests import ATTRIBUTES, Attributes, Reader, inner, strings
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol, Request, UsageMap
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Tokens read from a cache and written to one lie beside the input, thoughts inside the output.
# https://docs.anthropic.com/en/api/messages#response-usage
USAGE: UsageMap = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": ("cache_read_tokens", "input_tokens"),
    "cache_creation_input_tokens": ("cache_write_tokens", "input_tokens"),
    "cache_creation": {
        "ephemeral_5m_input_tokens": "cache_write_short_tokens",
        "ephemeral_1h_input_tokens": "cache_write_long_tokens",
    },
    "output_tokens_details": {"thinking_tokens": "reasoning_tokens"},
    # Fetching pages, searching tools, memory and MCP cost tokens alone.
    # https://platform.claude.com/docs/en/about-claude/pricing#specific-tool-pricing
    "server_tool_use": {"web_search_requests": "web_searches"},
}

# The price of all tokens in the US, with models since 4.6; no others can be asked to stay there.
# https://platform.claude.com/docs/en/about-claude/pricing#data-residency-pricing
_BY_PLACE = {"us": 1.1, "global": 1.0, "not_available": 1.0}

# https://platform.claude.com/docs/en/api/rate-limits#response-headers
# https://platform.claude.com/docs/en/api/service-tiers (priority)
HEADERS = Headers(
    request_ids=(b"request-id", b"x-request-id", b"x-amzn-requestid"),
    limits={
        **of_requests(b"anthropic-ratelimit-requests-*"),
        # The first is the tightest of those of the organisation and the workspace.
        **of_tokens(
            b"anthropic-ratelimit-tokens-*",
            b"anthropic-ratelimit-input-tokens-*",
            b"anthropic-ratelimit-output-tokens-*",
            b"anthropic-priority-input-tokens-*",
            b"anthropic-priority-output-tokens-*",
        ),
    },
)


# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_PROFILE = re.compile(r"(global|[a-z]{2,4})\.anthropic\.")


def _json(schema: object) -> str | None:
    return "json" if read.text(schema, "type") == "json_schema" else None


_EFFORT: Reader = inner("effort", read.string)
_ATTRIBUTES: Attributes = {
    **{key: ATTRIBUTES[key] for key in ("temperature", "top_p", "top_k", "max_tokens")},
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, strings),),
    "output_config": (
        (semconv.REQUEST_REASONING_LEVEL, _EFFORT),
        (semconv.OUTPUT_TYPE, inner("format", _json)),
    ),
    "output_format": ((semconv.OUTPUT_TYPE, _json),),
}


class Messages(Protocol):
    """A message is the answer, or the error object in its place."""

    headers = HEADERS
    attributes = _ATTRIBUTES
    # all events but the pieces of a block
    telling = re.compile(rb'"type"\s*:\s*"(?:message_|content_block_start|error)|"error"')

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole message tells."""
        body = read.fields(node)
        reported = body.get("usage")
        result = Answer(
            read.string(body.get("id")),
            read.string(body.get("model")),
            service_tier=_tier(reported),
            usage=message_usage(reported, endpoint),
        )
        if dialect.costs:
            result.cost = costs.in_answer((body,), dialect)
        if body.get("content") is not None or body.get("stop_reason") is not None:
            result.finish_reasons = [finish_reason(body.get("stop_reason"))]
        if result.usage is None or body.get("error"):
            result.error = errors.in_body(body, dialect)
            return result
        blocks = read.items(body, "content")
        # Only a request that warms the cache is answered nothing.
        uncounted = bool(blocks) and not result.usage.output_tokens
        if uncounted or any(map(surcharges.is_fallback, blocks)):
            result.usage.partial = True
        result.doubts = surcharges.doubts(reported, result.usage, blocks)
        return result

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """On Bedrock, where a model runs decides its price, and only the request names that; so it
        does which tools share a container, and how long a cache lives."""
        if surcharges.unsettled(answer.doubts, request):
            used.partial = True
        name = self.model(request)
        if name is not None and _PROFILE.match(name):
            answer.price_model = name

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Typed events, from `message_start` to `message_stop`."""
        return Events(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Messages, system and tools."""
        from llm_otel.protocols.anthropic.content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """The message."""
        from llm_otel.protocols.anthropic.content import response_content

        return response_content(response)

    def accumulator(self) -> Accumulator:
        """Blocks, as their events tell them."""
        from llm_otel.protocols.anthropic.content import Blocks

        return Blocks()


def _tier(reported: object) -> str | None:
    """What the message is billed at: the fast mode is no service tier, and has a price as one."""
    if read.get(reported, "speed") == "fast":
        return "fast"
    return read.string(read.get(reported, "service_tier"))


def message_usage(reported: object, endpoint: Endpoint) -> Usage | None:
    """The usage of a message, with what its total leaves out."""
    top = usage.usage(None, endpoint, reported if reported is not None else ())
    used = top or Usage()  # a message may do nothing but compact what was said
    iterations = read.items(reported, "iterations")
    kinds = [read.text(each, "type") for each in iterations]
    extra = []
    for kind, each in zip(kinds, iterations):
        if kind in _BESIDE and (more := usage.usage(None, endpoint, each)) is not None:
            if kind == "advisor_message":
                extra.append((read.text(each, "model"), more))
            else:
                add(used, more)
    used.extra = tuple(extra)
    place = read.text(reported, "inference_geo")
    factor = _BY_PLACE.get(place) if place is not None else 1.0
    if factor is None:
        used.partial = True
    elif factor != 1.0:
        for each in (used, *(more for _, more in extra)):
            each.price_factor = factor
    if "fallback_message" in kinds and "message" in kinds:
        used.partial = True  # two models answered, and the sums are those of one price
    return used if top is not None or used.input_tokens or used.extra else None


# Parts of the work that the message's own counts do not hold: of the same model, and of another.
# https://docs.anthropic.com/en/docs/build-with-claude/compaction
_BESIDE = frozenset({"compaction", "advisor_message"})


def add(used: Usage, more: Usage) -> None:
    """Add a usage to another one of the same model."""
    if used.price_factor != more.price_factor:
        used.partial |= bool(used.input_tokens or used.output_tokens)
        used.price_factor = more.price_factor
    for name in _COUNTS:
        setattr(used, name, getattr(used, name) + getattr(more, name))
    used.extra = (*used.extra, *more.extra)
    used.partial |= more.partial


_COUNTS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
    "cache_write_long_tokens", "reasoning_tokens", "web_searches",
)  # fmt: skip


# What the input is made of: gateways count all of it as fresh in the first event, and say in the
# last which part of it was cached.
_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _stream_usage(parts: list[object]) -> dict[str, object]:
    """One usage from those of a stream's events: the largest output, and the input as the last
    event has it that counts any."""
    whole = dict(usage.merged(parts))
    for part in parts:
        fields = read.fields(part)
        if any(read.count(fields.get(key)) for key in _INPUT):
            for key in (*_INPUT, "cache_creation"):
                if fields.get(key) is not None:
                    whole[key] = fields[key]
    return whole


class Events:
    """Folds the events of a stream.

    The first tells who answers and what the input was; its count of the output is a placeholder.
    The last but one tells the whole usage and why the message stopped.
    """

    __slots__ = (
        "_blocks", "_deltas", "_error", "_fell_back", "_protocol", "_start", "_stop", "_tools",
        "dialect", "endpoint", "hides",
    )  # fmt: skip

    def __init__(self, protocol: Messages, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol = protocol
        self.endpoint = endpoint
        self.dialect = dialect
        self.hides = False
        self._start: object = None
        self._deltas: list[object] = []
        self._stop: object = None
        self._error: object = None
        self._tools: list[object] = []
        self._fell_back = False
        self._blocks = 0

    def goes_on(self, chunk: Any) -> bool:
        """Whether an event is a piece of a block, of which there are many; see `Fold`."""
        fields: dict[str, object] = chunk.__dict__
        return fields["type"] == "content_block_delta"

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        kind = read.text(chunk, "type")
        if kind == "message_start":
            self._start = read.get(chunk, "message")
        elif kind == "message_delta":
            if read.get(chunk, "usage") is not None:
                self._deltas = [*self._deltas[-_MOST:], read.get(chunk, "usage")]
            self._stop = read.path(chunk, ("delta", "stop_reason")) or self._stop
        elif kind == "content_block_start":
            self._blocks += 1
            block = read.get(chunk, "content_block")
            self._fell_back |= surcharges.is_fallback(block)
            if surcharges.runs_in_container(block):
                self._tools = [block]
        elif kind == "message_stop":
            self._stop = self._stop or "error"
        elif kind == "error" or (kind is None and read.get(chunk, "error") is not None):
            self._error = chunk

    def answer(self) -> Answer:
        """What the events told so far."""
        start = read.fields(self._start)
        begun = {**read.fields(start.get("usage"))}
        begun.pop("output_tokens", None)
        whole = {**start, "usage": _stream_usage([begun, *self._deltas]), "content": None}
        result = self._protocol.answer(
            {**whole, "stop_reason": self._stop}, self.endpoint, self.dialect
        )
        if self._error is not None:
            result.error = errors.in_event(self._error, self.dialect)
        if self._start is not None and self._stop is None:
            result.finish_reasons = ["error"]
        used = result.usage
        if used is not None and self._tools:
            result.doubts |= surcharges.doubts(None, used, self._tools)
        if used is not None and (
            self._fell_back or not self.ended or not self._counts_output(used)
        ):
            used.partial = True
        return result

    def _counts_output(self, used: Usage) -> bool:
        """Whether the last events said how much was put out: nothing, if there was no block."""
        return bool(used.output_tokens or (self._deltas and not self._blocks))

    @property
    def ended(self) -> bool:
        """Whether the event came that says why the message stopped."""
        return self._stop is not None


# So many usages of one stream are kept besides the last; each tells what was used so far.
_MOST = 8
