"""What streams said, put together chunk by chunk; made only where content is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from llm_otel.base.read import get, items, text
from llm_otel.content.media import base64_size, omitted_part
from llm_otel.content.model import ERROR, Message
from llm_otel.core.content.endpoints import image_message, transcript_message
from llm_otel.core.content.openai_chat import choice_message
from llm_otel.core.content.openai_responses import items_message, responses_response


class Accumulator(Protocol):
    """Collects one stream's chunks, dicts or the SDK's objects."""

    def add(self, chunk: object) -> None:
        """Take what `chunk` adds; a chunk of an unknown shape adds nothing."""

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The output messages so far.

        Args:
            unfinished: Finish reason of what the stream did not finish: `error`, or `cancelled`
                where it was the caller who left.
        """


def accumulator(kind: str) -> Accumulator | None:
    """A new accumulator for a stream of this kind of endpoint; None where it has no messages."""
    make = _ACCUMULATORS.get(kind)
    return make() if make is not None else None


@dataclass(slots=True)
class _ToolCall:
    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def wire(self) -> dict[str, object]:
        arguments = "".join(self.arguments)
        return {"id": self.id, "function": {"name": self.name, "arguments": arguments}}


class _Choice:
    """One choice; `texts` holds the pieces of every field that a delta carries as a string."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.calls: list[_ToolCall] = []
        self.finish: object = None
        self.role: object = None
        self.audio_bytes = 0

    def add(self, choice: object) -> None:
        delta = get(choice, "delta")
        self._text("text", choice)
        for key in ("content", "refusal", "reasoning_content", "reasoning"):
            self._text(key, delta)
        for call in items(delta, "tool_calls"):
            self._call(get(call, "index"), text(call, "id"), get(call, "function"))
        function = get(delta, "function_call")
        if function is not None:
            self._call(0, None, function)
        audio = get(delta, "audio")
        if audio is not None:
            self._text("transcript", audio)
            self.audio_bytes += base64_size(len(text(audio, "data") or ""))
        self.role = self.role or text(delta, "role")
        self.finish = self.finish or text(choice, "finish_reason")

    def message(self, unfinished: str) -> Message:
        texts = {key: "".join(pieces) for key, pieces in self.texts.items()}
        wire = {
            "role": self.role,
            "audio": {"transcript": texts.pop("transcript", None)},
            "tool_calls": [call.wire() for call in self.calls],
        }
        choice = {"text": texts.pop("text", None), "finish_reason": self.finish}
        result = choice_message({**choice, "message": {**wire, **texts}}, unfinished)
        parts = result["parts"]
        if self.audio_bytes and isinstance(parts, list):
            parts.append(omitted_part("audio", None, self.audio_bytes))
        return result

    def _text(self, key: str, node: object) -> None:
        piece = text(node, key)
        if piece is not None:
            self.texts.setdefault(key, []).append(piece)

    def _call(self, index: object, call_id: str | None, function: object) -> None:
        """A delta goes on with the call of its index, unless it brings another id.

        Some imitators number every parallel call 0, or leave the index out.
        """
        position = index if type(index) is int and 0 <= index < len(self.calls) else -1
        begun = not self.calls or (type(index) is int and index >= len(self.calls))
        if not begun and call_id and self.calls[position].id not in (None, call_id):
            begun = True
        if begun:
            self.calls.append(_ToolCall())
            position = -1
        call = self.calls[position]
        call.id = call.id or call_id
        call.name = call.name or text(function, "name")
        piece = text(function, "arguments")
        if piece is not None:
            call.arguments.append(piece)


class ChatAccumulator:
    """Chat completions and legacy completions."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> None:
        """Take a chunk's deltas, by choice."""
        for choice in items(chunk, "choices"):
            index = get(choice, "index")
            key = index if type(index) is int else 0
            state = self._choices.get(key)
            if state is None:
                state = self._choices[key] = _Choice()
            state.add(choice)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """One message for each choice that said anything or came to its end, by index."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        found = [(choice.finish, choice.message(unfinished)) for choice in choices]
        return [message for finish, message in found if finish or message["parts"]]


class ResponsesAccumulator:
    """The responses API: its last event holds everything, the others serve streams that are cut."""

    def __init__(self) -> None:
        self._final: object = None
        self._items: dict[int, object] = {}
        self._deltas: dict[int, dict[str, list[str]]] = {}

    def add(self, chunk: object) -> None:
        """Take a typed event."""
        kind = text(chunk, "type") or ""
        if kind in _FINAL_EVENTS:
            self._final = get(chunk, "response")
            return
        index = get(chunk, "output_index")
        if type(index) is not int:
            return
        if kind == "response.output_item.added":
            self._items[index] = get(chunk, "item")
        elif kind == "response.output_item.done":
            self._items[index] = get(chunk, "item")
            self._deltas.pop(index, None)
        elif kind in _DELTA_FIELDS:
            delta = text(chunk, "delta")
            if delta is not None:
                fields = self._deltas.setdefault(index, {})
                fields.setdefault(_DELTA_FIELDS[kind], []).append(delta)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The final response's message, else one of the items and deltas that came."""
        if items(self._final, "output"):
            return responses_response(self._final)
        return items_message([self._item(i) for i in sorted(self._items)], self._final, unfinished)

    def _item(self, index: int) -> object:
        """The item; one that is not done, with its deltas put together."""
        item = self._items[index]
        deltas = self._deltas.get(index)
        if not deltas:
            return item
        whole: dict[str, object] = {
            key: get(item, key) for key in ("type", "id", "call_id", "name", "role", "server_label")
        }
        for name, pieces in deltas.items():
            joined = "".join(pieces)
            place, part_type = _DELTA_PARTS.get(name, (name, None))
            if part_type is None:
                whole[place] = joined
            else:
                key = "refusal" if part_type == "refusal" else "text"
                whole[place] = [{"type": part_type, key: joined}]
        return whole


class TranscriptAccumulator:
    """Streamed transcriptions."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._done: str | None = None

    def add(self, chunk: object) -> None:
        """Take a delta, or the whole text that the last event repeats."""
        if get(chunk, "type") == "transcript.text.done":
            self._done = text(chunk, "text")
            return
        piece = text(chunk, "delta")
        if piece is not None:
            self._pieces.append(piece)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """One message, if anything was heard."""
        if self._done is not None:
            return [transcript_message(self._done)]
        return [transcript_message("".join(self._pieces), unfinished)] if self._pieces else []


class ImageAccumulator:
    """Streamed images: partial ones are not kept."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def add(self, chunk: object) -> None:
        """Take a finished image."""
        if (text(chunk, "type") or "").endswith(".completed"):
            self._messages.append(image_message(chunk))

    def messages(self, unfinished: str = ERROR) -> list[Message]:  # noqa: ARG002 - all are finished
        """One message for each image."""
        return list(self._messages)


_FINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})
# Event -> the field of the item that its deltas make up.
_DELTA_FIELDS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}
# Fields that an item holds as a list of typed parts: where, and the part's type.
_DELTA_PARTS = {
    "text": ("content", "output_text"),
    "refusal": ("content", "refusal"),
    "summary": ("summary", "summary_text"),
    "reasoning": ("content", "reasoning_text"),
}
_ACCUMULATORS: dict[str, Callable[[], Accumulator]] = {
    "chat": ChatAccumulator,
    "completion": ChatAccumulator,
    "responses": ResponsesAccumulator,
    "transcription": TranscriptAccumulator,
    "image": ImageAccumulator,
}
