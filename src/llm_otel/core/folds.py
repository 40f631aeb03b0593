"""Fold the chunks of a stream into one `Answer`, keeping no content and as little work as can be.

`add` runs in the user's loop: it leaves everything that can wait to `answer`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from llm_otel.base import read
from llm_otel.clients.spec import Endpoint
from llm_otel.core import body_errors, extract, hosted_tools, reported_cost, reported_usage
from llm_otel.core.extract import Answer
from llm_otel.providers.dialects import Dialect

_NOTHING: dict[str, object] = {}

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


# So many usages of one stream are kept; then they are merged.
_MOST_USAGES = 32


class Choices:
    """Chunks with `choices`: chat completions and completions.

    Args:
        endpoint: Where usage is in a chunk.
        dialect: What is particular to the provider.

    Attributes:
        first: The first chunk that names its model; None until it came.
        last: The last of all chunks.
    """

    __slots__ = ("_end", "_ends", "_reported", "_usages", "dialect", "endpoint", "first", "last")

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self.first: object = None
        self.last: object = None
        # Usages, and the last chunk that held one.
        self._usages: list[object] = []
        self._reported: object = None
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
            self._keep_usage(fields["usage"])
            self._reported = chunk
        for choice in read.items(chunk, "choices"):
            of_choice = read.fields(choice)
            if of_choice.get("finish_reason") is not None:
                self._ends[read.count(of_choice.get("index"))] = choice
                self._end = chunk

    def _keep_usage(self, reported: object) -> None:
        # Some providers send a usage with every chunk.
        if len(self._usages) >= _MOST_USAGES:
            self._usages = [reported_usage.merged(self._usages)]
        self._usages.append(reported)

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
        )
        result.error = self._error()
        self._read_usage(result)
        if self.last is not None and not self.ended:
            result.finish_reasons = ["error"]
        else:
            ends = (self._ends[index] for index in sorted(self._ends))
            reasons = (extract.finish_reason(read.get(end, "finish_reason")) for end in ends)
            result.finish_reasons = [reason for reason in reasons if reason is not None]
        return result

    def _error(self) -> body_errors.BodyError | None:
        failures = (body_errors.in_choice(end, self.dialect) for end in self._ends.values())
        if self.ended and not read.get(self.last, "error"):
            return body_errors.first(failures)
        return body_errors.in_body(self.last, self.dialect) or body_errors.first(failures)

    def _read_usage(self, result: Answer) -> None:
        """Read usage and cost from wherever the provider put them in the stream."""
        usages, endpoint, dialect = self._usages, self.endpoint, self.dialect
        # Groq reports the usage beside the choice that ends the stream, Moonshot inside it.
        nodes = (self.last, self._end, *self._ends.values())
        reported = (
            reported_usage.merged(usages) if len(usages) > 1 else usages[0] if usages else None
        )
        if reported is not None:
            result.usage = reported_usage.usage(None, endpoint, dialect, reported)
        for node in nodes:
            if result.usage is not None:
                break
            result.usage = reported_usage.usage(node, endpoint, dialect)
        if dialect.costs and (not dialect.gateway or reported_cost.has_more(reported)):
            whole = ({"usage": reported}, self._reported, *nodes, self.first)
            result.cost = reported_cost.in_answer(whole, dialect)
        used = result.usage
        if used is not None:
            if not used.output_tokens:
                used.partial = True  # something was streamed, and not counted
            for node in (self._reported, *nodes, self.first) if dialect.searches_in_answers else ():
                hosted_tools.mark_chat(used, node, dialect)

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

    __slots__ = ("_cost", "_final", "_first", "dialect", "endpoint")

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self._first: object = None
        self._final: object = None
        self._cost: object = None

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
            result.error = body_errors.in_event(self._final, self.dialect)
            return result
        result = extract.answer(_response(self._final), self.endpoint, self.dialect)
        if result.cost is None and self._cost is not None:
            result.cost = reported_cost.in_answer((self._cost,), self.dialect)
        return result

    def _unfinished(self, status: str | None) -> Answer:
        """What the first event told of a response that never came to its end."""
        result = extract.answer(_response(self._first), self.endpoint, self.dialect)
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


def new(endpoint: Endpoint, dialect: Dialect) -> Fold:
    """The fold for an endpoint's streams."""
    if endpoint.stream == "choices":
        return Choices(endpoint, dialect)
    return Events(endpoint, dialect)
