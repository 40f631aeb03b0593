"""Conversations: answers of an agent or a model, kept by the provider, with tools that it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.mistral.common import HEADERS, SETTINGS, error_in
from llm_otel.protocols.openai import usage
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol, UsageMap

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# What the tools that the provider ran put into the prompt lies beside it; the tools themselves are
# billed by the call, at prices that the price list does not have.
# https://docs.mistral.ai/agents/agents_basics
USAGE: UsageMap = {**usage.USAGE, "connector_tokens": ("connector_tokens", "input_tokens")}

_CALL = "function.call"
_PIECE = b'"message.output.delta"'


class Conversations(Protocol):
    """A list of outputs: messages, tools that were run, calls of the caller's functions."""

    headers = HEADERS
    attributes = SETTINGS

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole response tells."""
        body = read.fields(node)
        outputs = read.items(body, "outputs")
        result = Answer(usage=usage.usage(body, endpoint, dialect), error=error_in(body, dialect))
        _describe(result, body.get("conversation_id"), outputs)
        if outputs:
            calls_function = any(read.text(each, "type") == _CALL for each in outputs)
            result.finish_reasons = ["tool_call" if calls_function else "stop"]
        elif result.usage is None and result.error is None:
            result.error = errors.in_body(body, dialect)
        return result

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Typed events."""
        return Events(endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Inputs, instructions and tools."""
        from llm_otel.protocols.mistral.content import conversation

        return conversation(body)

    def response_content(self, response: object) -> list[Message]:
        """One message of all outputs."""
        from llm_otel.protocols.mistral.content import outputs

        return outputs(response)

    def accumulator(self) -> Accumulator:
        """Outputs, as their events tell them."""
        from llm_otel.protocols.mistral.content import Entries

        return Entries()


def _describe(result: Answer, conversation: object, outputs: Iterable[object]) -> None:
    """Add who answered: the last output names itself, its model and its agent."""
    attributes = {semconv.CONVERSATION_ID: read.string(conversation)}
    for output in outputs:
        result.response_id = read.string(read.get(output, "id")) or result.response_id
        result.model = read.string(read.get(output, "model")) or result.model
        agent = read.string(read.get(output, "agent_id"))
        attributes[semconv.AGENT_ID] = agent or attributes.get(semconv.AGENT_ID)
    result.attributes = {name: value for name, value in attributes.items() if value is not None}


class Events:
    """Folds the events of a stream, from `conversation.response.started` to `….done`."""

    __slots__ = (
        "_called", "_dialect", "_done", "_endpoint", "_error", "_first", "_last", "_mark", "hides",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self.hides = False
        self._endpoint = endpoint
        self._dialect = dialect
        self._first: object = None
        self._last: object = None
        self._called = False
        self._mark: bytes | None = None
        self._done: object = None
        self._error: object = None

    def goes_on(self, chunk: Any) -> bool:
        """Whether an event is a piece of a message, of which there are many; see `Fold`."""
        if self._last is None or chunk.__dict__["type"] != "message.output.delta":
            return False
        self._last = chunk
        return True

    def skips(self, event: bytes) -> bool:
        """The same for the bytes of an event: a piece of the very message that the last one told
        of; see `Fold`."""
        return self._mark is not None and self._mark in event and _PIECE in event

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        kind = read.text(chunk, "type") or ""
        if kind in ("message.output.delta", "function.call.delta"):
            self._last = chunk
            identity = read.text(chunk, "id")
            self._mark = f'"{identity}"'.encode() if identity else None
            self._called |= kind == "function.call.delta"
        elif kind == "conversation.response.started":
            self._first = chunk
        elif kind == "conversation.response.done":
            self._done = chunk
        elif kind == "conversation.response.error" or read.text(chunk, "object") == "error":
            self._error = chunk

    def answer(self) -> Answer:
        """What the events told so far."""
        result = Answer()
        if self._done is not None:
            result.usage = usage.usage(self._done, self._endpoint, self._dialect)
        conversation = read.get(self._first, "conversation_id")
        _describe(result, conversation, [] if self._last is None else [self._last])
        if self._error is not None:
            result.error = errors.in_event(self._error, self._dialect)
        if self._first is not None or self._last is not None:
            good = self._done is not None and self._error is None
            result.finish_reasons = [("tool_call" if self._called else "stop") if good else "error"]
        return result

    @property
    def ended(self) -> bool:
        """Whether the event came that ends the response."""
        return self._done is not None or self._error is not None
