"""Fold the chunks of a stream into one `Answer`, keeping no content and as little work as can be.

`add` runs in the user's loop: it leaves everything that can wait to `answer`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint
from llm_otel.core import extract, read
from llm_otel.core.extract import Answer

_NOTHING: dict[str, object] = {}

_FINAL_EVENTS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "image_generation.completed",
        "image_edit.completed",
        "transcript.text.done",
        "speech.audio.done",
        "error",
    }
)


class Choices:
    """Chunks with `choices`: chat completions and completions.

    Args:
        endpoint: Where usage is in a chunk.

    Attributes:
        first: The first chunk that names its model; None until it came.
        last: The last of all chunks.
    """

    __slots__ = ("_end", "_ends", "_usage", "endpoint", "first", "last")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.first: object = None
        self.last: object = None
        self._usage: object = None
        self._end: object = None
        self._ends: dict[int, object] = {}

    def add(self, chunk: Any) -> None:
        """Take a chunk in."""
        self.last = chunk
        fields = read.fields(chunk)
        # Azure's first and last chunks may hold filter results and no names.
        if self.first is None and fields.get("model"):
            self.first = chunk
        if fields.get("usage") is not None:
            self._usage = chunk
        for choice in read.items(chunk, "choices"):
            of_choice = read.fields(choice)
            if of_choice.get("finish_reason") is not None:
                self._ends[read.count(of_choice.get("index"))] = choice
                self._end = chunk

    def answer(self) -> Answer:
        """What the chunks told so far."""
        first, last, string = read.fields(self.first), read.fields(self.last), read.string
        result = Answer(
            string(first.get("id")) or string(last.get("id")),
            string(first.get("model")) or string(last.get("model")),
            service_tier=string(last.get("service_tier")) or string(first.get("service_tier")),
            fingerprint=(
                string(last.get("system_fingerprint")) or string(first.get("system_fingerprint"))
            ),
            error_code=extract.told_error(last),
        )
        # Groq reports the usage beside the choice that ends the stream, Moonshot inside it.
        for node in (self._usage, self.last, self._end, *self._ends.values()):
            result.usage = extract.usage(node, self.endpoint)
            if result.usage is not None:
                break
        result.cost_usd = read.number(read.path(self._usage, ("usage", "cost")))
        if self.last is not None and not self.ended:
            result.finish_reasons = ["error"]
        else:
            result.finish_reasons = [
                extract.finish_reason(read.get(self._ends[index], "finish_reason"))
                for index in sorted(self._ends)
            ]
        return result

    @property
    def ended(self) -> bool:
        """Whether a choice has come to its end."""
        return self._end is not None


def hide_usage(chunk: Any) -> bool:
    """Undo what asking for usage did to a chunk; True for the chunk that it added."""
    fields = getattr(chunk, "__dict__", _NOTHING)
    if fields.get("usage") is not None:
        # Beside choices it is what the provider tells without being asked.
        return not fields.get("choices")
    known = getattr(chunk, "__pydantic_fields_set__", None)
    if known is not None:
        known.discard("usage")
    return False


class Events:
    """Typed events: responses, images, transcriptions, speech."""

    __slots__ = ("_final", "_first", "endpoint")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._first: object = None
        self._final: object = None

    def add(self, chunk: Any) -> None:
        """Take an event in."""
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
            nested = extract.told_error(self._final)
            result.error_code = read.text(self._final, "code") or nested or semconv.OTHER
            return result
        return extract.answer(_response(self._final), self.endpoint)

    def _unfinished(self, status: str | None) -> Answer:
        """What the first event told of a response that never came to its end."""
        result = extract.answer(_response(self._first), self.endpoint)
        result.usage, result.status = None, status
        if self.endpoint.kind == "responses" and self._first is not None:
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


Fold: TypeAlias = Choices | Events


def new(endpoint: Endpoint) -> Fold:
    """The fold for an endpoint's streams."""
    return Choices(endpoint) if endpoint.stream == "choices" else Events(endpoint)
