"""Answers of all endpoints, whole and streamed: usage, finish reasons, errors, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors, usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.cohere.words import finish_reason, kind_of
from llm_otel.protocols.headers import Headers, of_requests
from llm_otel.protocols.requests import ATTRIBUTES, Attributes, strings
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol, UsageMap
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Tokens of images lie beside the others.
# https://docs.cohere.com/reference/embed#response.body.meta.billed_units
USAGE: UsageMap = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "image_tokens": ("image_input_tokens", "input_tokens"),
    "images": "images",
    "search_units": "search_units",
    "pages": "pages",
    "classifications": "uncounted_tools",
    # In the last event of a stream of Bedrock's.
    "inputTokenCount": "input_tokens",
    "outputTokenCount": "output_tokens",
}
# What is billed leaves out the tokens that Cohere itself adds to a prompt. The conventions ask for
# what is billed, where a provider reports both.
# https://docs.cohere.com/docs/how-does-cohere-pricing-work
USAGE_AT = (
    ("usage", "billed_units"),
    ("meta", "billed_units"),
    ("usage", "tokens"),
    ("meta", "tokens"),
    ("amazon-bedrock-invocationMetrics",),
)

# Trial keys alone get the limit of an endpoint, for a minute.
# https://docs.cohere.com/docs/rate-limits
HEADERS = Headers(
    request_ids=(b"x-debug-trace-id", b"x-request-id", b"x-amzn-requestid"),
    limits=of_requests(b"x-trial-endpoint-call-*"),
)

_ATTRIBUTES: Attributes = {
    **{
        key: ATTRIBUTES[key]
        for key in (
            "temperature", "max_tokens", "seed", "frequency_penalty", "presence_penalty",
            "response_format",
        )
    },
    "k": ATTRIBUTES["top_k"],
    "p": ATTRIBUTES["top_p"],
    "stop_sequences": ATTRIBUTES["stop"],
    "end_sequences": ATTRIBUTES["stop"],
    "num_generations": ATTRIBUTES["n"],
    "conversation_id": ((semconv.CONVERSATION_ID, read.string),),
    "output_dimension": ATTRIBUTES["dimensions"],
    "embedding_types": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
}  # fmt: skip


class Cohere(Protocol):
    """An answer of v2 or v1: they differ in names alone."""

    headers = HEADERS
    attributes = _ATTRIBUTES
    # Events that hold no piece of what is said (see `_PIECES`); an error, which has no type, is the
    # last. A pattern that begins with letters is found in half of the time.
    telling = re.compile(
        rb'type"\s*:\s*"(?!text"|text-generation|tool-calls-chunk|citation-|[a-z-]+-delta)'
    )

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole answer tells."""
        body = read.fields(node)
        choices = read.items(body, "generations") or [body]
        reasons = [finish_reason(read.get(choice, "finish_reason")) for choice in choices]
        result = Answer(
            _id(body),
            finish_reasons=[reason for reason in reasons if reason is not None],
            usage=_used(body, endpoint),
            error=errors.first(errors.in_choice(choice, dialect) for choice in choices),
        )
        if result.usage is None and result.error is None:
            result.error = errors.in_body(body, dialect)
        return result

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Events; the last tells all."""
        return Events(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Messages, instructions, documents and tools."""
        from llm_otel.protocols.cohere.content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """The message, or each generation."""
        from llm_otel.protocols.cohere.content import response_content

        return response_content(response)

    def accumulator(self) -> Accumulator:
        """Pieces, as their events tell them."""
        from llm_otel.protocols.cohere.accumulator import Pieces

        return Pieces()


def _id(body: Mapping[str, object]) -> str | None:
    if isinstance(body.get("message"), str):
        return None  # an error's, which is no answer
    for key in ("id", "response_id", "generation_id"):
        value = read.string(body.get(key))
        if value is not None:
            return value
    return None


def _used(body: Mapping[str, object], endpoint: Endpoint) -> Usage | None:
    used = usage.usage(body, endpoint)
    if used is None:
        return None
    if used.image_input_tokens:
        used.images = 0  # billed by their tokens
    meter = body.get("usage") or body.get("meta")
    billed = read.fields(read.get(meter, "billed_units"))
    if billed and not any(map(read.count, billed.values())):
        used.partial = True  # counted, and billed as nothing: a price would say too much
    tokens = read.count(read.path(meter, ("tokens", "input_tokens")))
    cached = read.count(read.get(meter, "cached_tokens"))
    # They are a part of all tokens. Where fewer are billed, nobody says how many of these.
    if cached <= tokens == used.input_tokens:
        used.cache_read_tokens = cached
    return used


# Most events: each holds a piece of what is said.
_PIECES = frozenset(
    {
        "content-delta", "tool-plan-delta", "tool-call-delta", "citation-start", "citation-end",
        "text-generation", "tool-calls-chunk", "citation-generation",
    }
)  # fmt: skip


class Events:
    """Folds the events of a stream: the first has the id, the last the usage and why it ended."""

    __slots__ = ("_end", "_error", "_id", "_protocol", "_started", "dialect", "endpoint", "hides")

    def __init__(self, protocol: Cohere, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol = protocol
        self.endpoint = endpoint
        self.dialect = dialect
        self.hides = False
        self._started = False
        self._id: str | None = None
        self._end: dict[str, object] | None = None
        self._error: object = None

    def goes_on(self, chunk: Any) -> bool:
        """Whether an event is a piece, of which there are many; see `Fold`."""
        fields = chunk if type(chunk) is dict else chunk.__dict__
        return (fields.get("type") or fields["event_type"]) in _PIECES

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        self._started = True
        kind = kind_of(chunk)
        if kind in _PIECES:
            return
        if kind in ("message-start", "stream-start"):
            self._id = _id(read.fields(chunk))
        elif kind == "message-end":
            self._end = {**read.fields(read.get(chunk, "delta"))}
        elif kind == "stream-end":
            whole = read.fields(read.get(chunk, "response"))
            self._end = {**whole, **read.fields(chunk), "id": _id(whole)}
        elif kind == "stream-error":
            self._end = {"finish_reason": read.get(chunk, "finish_reason") or "ERROR"}
        elif read.get(chunk, "error") is not None or read.text(chunk, "message") is not None:
            self._error = chunk

    def answer(self) -> Answer:
        """What the events told so far."""
        result = self._protocol.answer(self._end or {}, self.endpoint, self.dialect)
        result.response_id = result.response_id or self._id
        if self._error is not None:
            result.error = errors.in_event(self._error, self.dialect)
        if self._started and not result.finish_reasons:
            result.finish_reasons = ["error"]
        return result

    @property
    def ended(self) -> bool:
        """Whether the event came that says why the stream ended."""
        return self._end is not None
