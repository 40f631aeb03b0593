"""Streams of typed events: responses, images, transcriptions, speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel.base import read
from llm_otel.protocols import costs, errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.spec import Endpoint

if TYPE_CHECKING:
    from llm_otel.protocols.openai.common import OpenAI
    from llm_otel.providers.dialects import Dialect

_FINAL_EVENTS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
        "image_generation.completed",
        "image_edit.completed",
        "transcript.text.done",
        "speech.audio.done",
        "error",
    }
)


class Events:
    """Typed events: responses, images, transcriptions, speech."""

    __slots__ = ("_cost", "_final", "_first", "_protocol", "dialect", "endpoint", "hides")

    def __init__(self, protocol: OpenAI, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol = protocol
        self.hides = False
        self.endpoint = endpoint
        self.dialect = dialect
        self._first: object = None
        self._final: object = None
        self._cost: object = None

    def goes_on(self, chunk: Any) -> bool:
        """Whether an event is a piece of text, of which there are many; see `Fold`."""
        return (
            self._first is not None
            and not self.dialect.costs
            and chunk.__dict__["type"].endswith(".delta")
        )

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        # OpenCode reports the cost in an event of its own, behind the last.
        if self.dialect.costs and read.get(chunk, "cost") is not None:
            self._cost = chunk
        if self._first is None:
            self._first = chunk
        kind = read.text(chunk, "type")
        # The error event that may follow a failed response tells less than that does.
        if kind in _FINAL_EVENTS and (kind != "error" or self._final is None):
            self._final = chunk

    def answer(self) -> Answer:
        """What the events told so far."""
        if self._final is None:
            return self._unfinished(None)
        if read.get(self._final, "type") == "error":
            result = self._unfinished("failed")
            result.error = errors.in_event(self._final, self.dialect)
            return result
        result = self._protocol.answer(_response(self._final), self.endpoint, self.dialect)
        if result.cost is None and self._cost is not None:
            result.cost = costs.in_answer((self._cost,), self.dialect)
        return result

    def _unfinished(self, status: str | None) -> Answer:
        """What the first event told of a response that never came to its end."""
        result = self._protocol.answer(_response(self._first), self.endpoint, self.dialect)
        result.usage, result.status = None, status
        if self._protocol.unfinished_is_error and self._first is not None:
            result.finish_reasons = ["error"]
        return result

    @property
    def ended(self) -> bool:
        """Whether the event came that ends the response."""
        return self._final is not None


def _response(event: object) -> object:
    """The response that an event carries, else the event itself."""
    inner = read.get(event, "response")
    return inner if inner is not None else event
