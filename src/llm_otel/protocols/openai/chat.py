"""Chat completions and legacy completions, as OpenAI, Azure, groq, together, vLLM … speak them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llm_otel.base import read
from llm_otel.protocols import costs, errors
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.openai import marks, usage
from llm_otel.protocols.openai.common import OpenAI, finish_reason, served_by
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold
from llm_otel.protocols.usage import merged
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# The finish reasons of nearly every choice; none of them is a failure.
_GOOD = {"stop": "stop", "length": "length", "tool_calls": "tool_call"}
# Keys under which a failure comes with HTTP 200.
_FAILURES = frozenset({"error", "base_resp"})

_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,\s*')
_LAST_NULL_USAGE = re.compile(rb'"usage"\s*:\s*null(\s*\}\s*)\Z')
_ONE_OBJECT = re.compile(rb"data:\s*\{")
_DATA = re.compile(rb"^data:(.*)$", re.MULTILINE)
_NOTHING: dict[str, object] = {}


class Chat(OpenAI):
    """Bodies with `choices`."""

    asks_for_usage = True
    how_to_ask = 'stream_options={"include_usage": true}'
    telling = re.compile(
        rb'"(?:finish_reason|usage|x_groq|executed_tools|grounding_metadata|cost)"\s*:\s*[^n\s]|"error"'
    )

    def read(
        self,
        result: Answer,
        body: Mapping[str, object],
        endpoint: Endpoint,  # noqa: ARG002
        dialect: Dialect,
    ) -> None:
        """See `OpenAI`."""
        _read_choices(result, body, dialect)

    def answer_of_failure(self, exc: BaseException) -> object | None:
        """What was too long or filtered for the SDK to parse."""
        return read.get(exc, "completion")

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Chunks with `choices`."""
        return Choices(endpoint, dialect)

    # ------------------------------------------------------------------ a stream's usage
    def asking(self, body: Mapping[str, object], chunk: object) -> dict[str, object] | None:
        """`stream_options.include_usage`: never where the caller said it themselves, whatever they
        said."""
        if chunk is not None and "usage" not in getattr(chunk, "__annotations__", ()):
            return None
        options = body.get("stream_options")
        left_open = options is None or (type(options) is dict and "include_usage" not in options)
        if not left_open or body.get("stream") is not True:
            return None
        return {"stream_options": {**(options or {}), "include_usage": True}}  # type: ignore[dict-item]

    def hide(self, chunk: Any) -> bool:
        """See `Protocol`."""
        fields = chunk if type(chunk) is dict else getattr(chunk, "__dict__", _NOTHING)
        if fields.get("usage") is not None:
            # Beside choices it is what the provider tells without being asked.
            return not fields.get("choices")
        if type(chunk) is dict:
            chunk.pop("usage", None)
        known = getattr(chunk, "__pydantic_fields_set__", None)
        if known is not None:
            known.discard("usage")
        return False

    def hide_in_event(self, event: bytes) -> bytes:
        """See `Protocol`."""
        return _without_usage(event)

    # ------------------------------------------------------------------ by opt-in
    def estimate(self) -> Characters:
        """Characters of the text."""
        return Characters()

    def request_content(self, body: object) -> Content:
        """The messages, and the tools."""
        from llm_otel.protocols.openai.chat_content import chat_request

        return chat_request(body)

    def response_content(self, response: object) -> list[Message]:
        """One message for each choice."""
        from llm_otel.protocols.openai.chat_content import chat_response

        return chat_response(response)

    def accumulator(self) -> Accumulator:
        """Messages by choice."""
        from llm_otel.protocols.openai.chat_content import ChatAccumulator

        return ChatAccumulator()


class Completion(Chat):
    """The same for a prompt that is no conversation."""

    def request_content(self, body: object) -> Content:
        """One user message for each prompt."""
        from llm_otel.protocols.openai.chat_content import completion_request

        return completion_request(body)


# ------------------------------------------------------------------ answers
def _read_choices(result: Answer, body: Mapping[str, object], dialect: Dialect) -> None:
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
            result.error = errors.in_choice(choice, dialect)
    if not (choices and _FAILURES.isdisjoint(body)):
        result.error = errors.in_body(body, dialect)
    used = result.usage
    if used is None:
        return
    if not used.output_tokens and any(map(_has_content, choices)):
        used.partial = True
    if dialect.searches_in_answers:
        marks.mark_chat(used, body, dialect)


def _has_content(choice: object) -> bool:
    """Whether a choice holds anything that costs tokens."""
    message = read.get(choice, "message")
    keys = ("content", "tool_calls", "reasoning_content", "reasoning", "audio", "refusal")
    return bool(read.get(choice, "text")) or any(read.get(message, key) for key in keys)


# ------------------------------------------------------------------ streams
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

    __slots__ = (
        "_end", "_ends", "_reported", "_usages", "dialect", "endpoint", "first", "hides", "last",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self.hides = False
        self.first: object = None
        self.last: object = None
        # Usages, and the last chunk that held one.
        self._usages: list[object] = []
        self._reported: object = None
        self._end: object = None
        self._ends: dict[int, object] = {}

    def goes_on(self, chunk: Any) -> bool:
        """Nearly every chunk is one choice that goes on, and nothing besides: to be the last is
        enough for it. See `Fold`."""
        fields = chunk if type(chunk) is dict else chunk.__dict__
        if (
            self.first is None
            or fields.get("usage") is not None
            or type(choices := fields["choices"]) is not list
            or len(choices) != 1
        ):
            return False
        choice = choices[0]
        if (choice if type(choice) is dict else choice.__dict__)["finish_reason"] is not None:
            return False
        if self.hides:
            chunk.__pydantic_fields_set__.discard("usage")
        self.last = chunk
        return True

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
            self._usages = [merged(self._usages)]
        self._usages.append(reported)

    def answer(self) -> Answer:
        """What the chunks told so far."""
        first, last, string = read.fields(self.first), read.fields(self.last), read.string
        result = Answer(
            string(first.get("id")) or string(last.get("id")),
            string(first.get("model")) or string(last.get("model")),
            service_tier=string(last.get("service_tier")) or string(first.get("service_tier")),
        )
        fingerprint = last.get("system_fingerprint") or first.get("system_fingerprint")
        result.attributes = served_by(result.service_tier, fingerprint)
        result.error = self._error()
        self._read_usage(result)
        if self.last is not None and not self.ended:
            result.finish_reasons = ["error"]
        else:
            ends = (self._ends[index] for index in sorted(self._ends))
            reasons = (finish_reason(read.get(end, "finish_reason")) for end in ends)
            result.finish_reasons = [reason for reason in reasons if reason is not None]
        return result

    def _error(self) -> BodyError | None:
        failures = (errors.in_choice(end, self.dialect) for end in self._ends.values())
        if self.ended and not read.get(self.last, "error"):
            return errors.first(failures)
        return errors.in_body(self.last, self.dialect) or errors.first(failures)

    def _read_usage(self, result: Answer) -> None:
        """Read usage and cost from wherever the provider put them in the stream."""
        usages, endpoint, dialect = self._usages, self.endpoint, self.dialect
        # Groq reports the usage beside the choice that ends the stream, Moonshot inside it.
        nodes = (self.last, self._end, *self._ends.values())
        reported = merged(usages) if len(usages) > 1 else usages[0] if usages else None
        if reported is not None:
            result.usage = usage.usage(None, endpoint, dialect, reported)
        for node in nodes:
            if result.usage is not None:
                break
            result.usage = usage.usage(node, endpoint, dialect)
        if dialect.costs and (not dialect.gateway or costs.has_more(reported)):
            whole = ({"usage": reported}, self._reported, *nodes, self.first)
            result.cost = costs.in_answer(whole, dialect)
        used = result.usage
        if used is not None:
            if not used.output_tokens:
                used.partial = True  # something was streamed, and not counted
            for node in (self._reported, *nodes, self.first) if dialect.searches_in_answers else ():
                marks.mark_chat(used, node, dialect)

    @property
    def ended(self) -> bool:
        """Whether a choice has come to its end."""
        return self._end is not None


def _without_usage(event: bytes) -> bytes:
    """An event as it would be had nobody asked for usage; empty for one that would not be."""
    at = event.rfind(b'"usage"')
    if at < 0:
        return event
    # The last key of an object in one line, as OpenAI and most others send it: nothing to parse.
    last = _LAST_NULL_USAGE.match(event, at)
    before = event[:at].rstrip()
    if (
        last is not None
        and before.endswith(b",")
        and _ONE_OBJECT.match(event)
        and b"\ndata:" not in event
    ):
        return before[:-1] + last[1]
    lines = list(_DATA.finditer(event))
    text = lines[0][1] if len(lines) == 1 else b""
    chunk = read.json_of(text)
    if type(chunk) is not dict or "usage" not in chunk:
        return event
    if chunk["usage"] is not None:
        # Beside choices it is what the provider tells without being asked.
        return event if chunk.get("choices") else b""
    del chunk["usage"]
    for null in _NULL_USAGE.finditer(text):
        shorter = text[: null.start()] + text[null.end() :]
        if read.json_of(shorter) == chunk:
            return event[: lines[0].start(1)] + shorter + event[lines[0].end(1) :]
    return event


# ------------------------------------------------------------------ estimates
# https://help.openai.com/en/articles/4936856: about four characters of English to a token.
CHARACTERS_PER_TOKEN = 4

_DEEPEST = 8


class Characters:
    """Counts the characters of a stream; keeps none of them."""

    def __init__(self) -> None:
        self.output = 0

    def add(self, chunk: Any) -> None:
        """Count the text of a chunk's choices."""
        for choice in read.items(chunk, "choices"):
            for holder in (read.get(choice, "delta"), choice):
                for key in ("content", "text", "refusal"):
                    value = read.get(holder, key)
                    if isinstance(value, str):
                        self.output += len(value)

    def usage(self, body: Mapping[str, object]) -> Usage:
        """The estimate for a request body and what was streamed."""
        asked = sum(
            len(text) for key in ("messages", "prompt") for text in _texts(body.get(key), _DEEPEST)
        )
        return Usage(input_tokens=_tokens(asked), output_tokens=_tokens(self.output))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _texts(node: object, depth: int) -> Iterator[str]:
    """Strings below `content`, `text`, or bare ones; never media."""
    if isinstance(node, str):
        yield node
    elif depth and type(node) is list:
        for item in node:
            yield from _texts(item, depth - 1)
    elif depth and type(node) is dict:
        for key in ("content", "text"):
            yield from _texts(node.get(key), depth - 1)
