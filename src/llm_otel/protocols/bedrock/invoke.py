"""InvokeModel: bodies of the models' own, read as the shape that they have.

What boto gives holds the body as bytes, beside the headers. Over HTTP the body is read already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.bedrock import converse
from llm_otel.protocols.bedrock.common import Bedrock, guardrail_attributes, tier
from llm_otel.protocols.bedrock.shapes import Shape
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# A body that is longer (bytes) is read for its content alone, as that takes milliseconds.
_MOST_READ = 1024 * 1024
# Vectors that are longer (bytes) are not read if headers tell the usage: they tell nothing else.
_MOST_VECTORS = 32 * 1024

_NOTHING: Mapping[str, object] = {}

# Headers that tell the usage of each family.
# https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
_HEADERS = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}
# The same in the last chunk of a stream.
_METRICS = "amazon-bedrock-invocationMetrics"
_COUNTS = Endpoint(semconv.CHAT, usage=converse.USAGE)

_GUARDRAIL = "amazon-bedrock-guardrailAction"


class Invoked(Bedrock):
    """The body of a family.

    Args:
        inner: Reads it.
        shape: What it is in the words that `inner` reads; None where those are its own.
        going_on: What a chunk that only goes on holds, or begins with.
    """

    def __init__(
        self, inner: Protocol, shape: Shape | None = None, going_on: tuple[bytes, ...] = ()
    ) -> None:
        self.inner = inner
        self.shape = shape
        self.going_on = going_on

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """See `Protocol`."""
        own = self.inner.request_attributes(self._request(body.get("body"), _MOST_READ))
        return {**own, **guardrail_attributes(body)}

    def _request(self, data: object, limit: int | None = None) -> Mapping[str, object]:
        """The body of a request in the words that are read; empty for a file, which is not read."""
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        if not isinstance(data, bytes) or (limit is not None and len(data) > limit):
            return _NOTHING
        fields = read.fields(read.json_of(data))
        return fields if self.shape is None else self.shape.as_request(fields)

    def as_read(self, document: object) -> Mapping[str, object]:
        """An answer's body, or a chunk of it, in the words that are read."""
        fields = read.fields(document)
        return fields if self.shape is None else self.shape.as_answer(fields)

    def node(self, document: object, response: Any) -> object:
        """What boto would give."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return {"body": document, "ResponseMetadata": {"HTTPHeaders": headers}}

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole answer tells."""
        data = _body_of(node)
        document, result = None, Answer()
        if endpoint.input_only and isinstance(data, bytes) and len(data) > _MOST_VECTORS:
            result.usage = _usage_of_headers(node)
        if result.usage is None:
            document = _document(data)
        if read.is_node(document):
            result = self.inner.answer(self.as_read(document), endpoint, dialect)
        used = result.usage
        # A guardrail that takes numbers out of an answer may take the count of its tokens, too.
        if used is None or not (used.output_tokens or endpoint.input_only):
            result.usage = _usage_of_headers(node) or used
        result.service_tier = tier(node) or result.service_tier
        guard(result, document)
        return result

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Chunks, of which each carries a piece of JSON."""
        return Chunks(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """What the body says."""
        return self.inner.request_content(self._request(read.get(body, "body")))

    def response_content(self, response: object) -> list[Message]:
        """What the body says."""
        return self.inner.response_content(self.as_read(_document(_body_of(response))))

    def accumulator(self) -> Accumulator | None:
        """What the chunks say."""
        inner = self.inner.accumulator()
        return None if inner is None else _Accumulator(self, inner)


def _body_of(node: object) -> object:
    """The body in what boto gives; a body that came without headers is itself."""
    body = read.get(node, "body")
    return node if body is None else body


def _document(body: object) -> object:
    return read.json_of(body) if isinstance(body, bytes) else body


def _usage_of_headers(node: object) -> Usage | None:
    headers = read.fields(read.path(node, ("ResponseMetadata", "HTTPHeaders")))
    counts = {name: _number(headers.get(key)) for key, name in _HEADERS.items()}
    return converse.token_usage(counts, _COUNTS)


def _number(header: object) -> int:
    return int(header) if isinstance(header, str) and header.isdecimal() else 0


def guard(result: Answer, document: object) -> None:
    """Note that a guardrail has put its own text in the place of the model's, or has looked at it,
    which is billed."""
    action = read.text(document, _GUARDRAIL)
    if action == "INTERVENED":
        result.finish_reasons = ["content_filter"]
    if action is not None and result.usage is not None:
        result.usage.partial = True


def document_of(chunk: object) -> object:
    """The JSON that a chunk carries: as boto gives it, or taken out of its frame already."""
    data = read.path(chunk, ("chunk", "bytes"))
    return chunk if data is None else read.json_of(data)


class Chunks:
    """Folds the chunks of a stream as the family's own protocol does."""

    __slots__ = ("_guarded", "_inner", "_marks", "_metrics", "_protocol", "hides")

    def __init__(self, protocol: Invoked, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol = protocol
        self._marks = protocol.going_on
        self._inner = protocol.inner.fold(endpoint, dialect)
        self._metrics: object = None
        self._guarded: object = None
        self.hides = False

    def goes_on(self, chunk: Any) -> bool:
        """Whether a chunk holds a mark of those that go on, of which there are many; see `Fold`."""
        data: bytes = chunk["chunk"]["bytes"]
        for mark in self._marks:
            if mark in data:
                return _SPECIAL not in data
        return False

    def add(self, chunk: Any) -> None:
        """Take a chunk in."""
        document = document_of(chunk)
        if read.get(document, _METRICS) is not None:
            self._metrics = read.get(document, _METRICS)
        if read.get(document, _GUARDRAIL) is not None:
            self._guarded = document
        self._inner.add(self._protocol.as_read(document))

    def answer(self) -> Answer:
        """What the chunks told so far."""
        result = self._inner.answer()
        if self._metrics is not None:
            counts = converse.token_usage(self._metrics, _COUNTS)
            if counts is not None and not (result.usage and result.usage.output_tokens):
                result.usage = counts
        guard(result, self._guarded)
        return result

    @property
    def ended(self) -> bool:
        """Whether the stream told its end."""
        return self._inner.ended or self._metrics is not None


# What AWS adds to a chunk begins so.
_SPECIAL = b'"amazon-bedrock-'


class _Accumulator:
    """Collects what the chunks say."""

    def __init__(self, protocol: Invoked, inner: Accumulator) -> None:
        self._protocol = protocol
        self._inner = inner

    def add(self, chunk: Any) -> None:
        """Take a chunk in."""
        self._inner.add(self._protocol.as_read(document_of(chunk)))

    def messages(self, unfinished: str = "error") -> list[Message]:
        """The output messages so far."""
        return self._inner.messages(unfinished)
