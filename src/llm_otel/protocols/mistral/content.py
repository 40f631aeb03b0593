"""Conversations, transcripts and what is moderated, in the conventions' shapes."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, items, text
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.openai.chat_content import chat_request
from llm_otel.protocols.openai.media_content import transcript_message
from llm_otel.protocols.openai.parts import content_parts, tool_definitions


def conversation(body: object) -> Content:
    """Inputs (a text, or entries), instructions and tools of a request."""
    return Content(
        inputs=[_input(entry) for entry in sequence(get(body, "inputs"))],
        system=content_parts(get(body, "instructions")),
        tools=tool_definitions(body),
    )


def outputs(response: object, reason: str | None = None) -> list[Message]:
    """One message of all outputs; none where there are none.

    Args:
        response: What holds the outputs.
        reason: Why it ended; None: it came to its end.
    """
    entries = items(response, "outputs")
    parts = [part for entry in entries for part in _parts(entry)]
    if not parts:
        return []
    calls_function = any(text(entry, "type") == "function.call" for entry in entries)
    return [output_message(parts, reason or ("tool_call" if calls_function else "stop"))]


def moderated(body: object) -> Content:
    """Texts, or conversations: a list of messages, or a list of such lists."""
    entries = sequence(get(body, "inputs") if get(body, "input") is None else get(body, "input"))
    content = Content()
    for entry in entries:
        if isinstance(entry, str):
            content.inputs.append(message("user", [text_part(entry)]))
        else:
            nested = entry if isinstance(entry, list) else get(entry, "messages") or [entry]
            content.inputs.extend(chat_request({"messages": nested}).inputs)
    return content


# ------------------------------------------------------------------ entries of a conversation
def _input(entry: object) -> Message:
    if isinstance(entry, str):
        return message("user", content_parts(entry))
    kind = text(entry, "type") or "message.input"
    if kind == "function.result":
        return message("tool", _parts(entry))
    default = "user" if kind == "message.input" else "assistant"
    return message(text(entry, "role") or default, _parts(entry))


def _parts(entry: object) -> list[Part]:
    if fields_of(entry) is None:
        return [generic_part(entry)]
    build = _ENTRIES.get(text(entry, "type") or "message.input")
    return build(entry) if build is not None else [generic_part(entry)]


def _message(entry: object) -> list[Part]:
    return content_parts(get(entry, "content"))


def _call(entry: object) -> list[Part]:
    return [tool_call_part(get(entry, "tool_call_id"), get(entry, "name"), get(entry, "arguments"))]


def _result(entry: object) -> list[Part]:
    return [tool_response_part(get(entry, "tool_call_id"), get(entry, "result"))]


def _executed(entry: object) -> list[Part]:
    """A tool that the provider ran: what it was called with, and what it gave."""
    name = text(entry, "name") or "unknown"
    part: Part = {
        "type": "server_tool_call",
        "name": name,
        "server_tool_call": {"type": name, "arguments": get(entry, "arguments")},
    }
    if identity := text(entry, "id"):
        part["id"] = identity
    return [part]


def _handoff(entry: object) -> list[Part]:
    return [generic_part(entry)]


_ENTRIES: dict[str, Callable[[object], list[Part]]] = {
    "message.input": _message,
    "message.output": _message,
    "function.call": _call,
    "function.result": _result,
    "tool.execution": _executed,
    "agent.handoff": _handoff,
}


# ------------------------------------------------------------------ streams
class Entries:
    """Collects the outputs of a conversation from their events."""

    def __init__(self) -> None:
        self._entries: dict[object, dict[str, object]] = {}
        self._done = False

    def add(self, chunk: object) -> None:
        """Take an event: `message.output.delta`, `tool.execution.started` …"""
        kind = text(chunk, "type") or ""
        if kind == "conversation.response.done":
            self._done = True
            return
        entry_type, _, step = kind.rpartition(".")
        if entry_type not in _ENTRIES:
            return
        key = (get(chunk, "output_index"), get(chunk, "id"))
        entry = self._entries.setdefault(key, {"type": entry_type})
        for name, value in (fields_of(chunk) or {}).items():
            if name in _PIECES and step != "done":
                _join(entry, name, value)
            elif name != "type":
                entry[name] = value

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far."""
        entries = [{**entry, **_joined(entry)} for entry in self._entries.values()]
        return outputs({"outputs": entries}, None if self._done else unfinished)


def _joined(entry: dict[str, object]) -> dict[str, object]:
    """Arguments come in pieces of one text."""
    pieces = entry.get("arguments")
    if not isinstance(pieces, list):
        return {}
    return {"arguments": "".join(piece for piece in pieces if isinstance(piece, str))}


# Keys that hold a piece of the entry's.
_PIECES = frozenset({"content", "arguments"})


def _join(entry: dict[str, object], name: str, piece: object) -> None:
    """Append a piece of an entry: it goes on with what is of its kind, or begins a part."""
    if text(piece, "type") == "text":
        piece = text(piece, "text") or ""
    pieces = entry.setdefault(name, [])
    if not isinstance(pieces, list):
        return
    last = pieces[-1] if pieces else None
    if isinstance(last, str) and isinstance(piece, str):
        pieces[-1] = last + piece
    elif text(piece, "type") == text(last, "type") == "thinking":
        thoughts = [*sequence(get(last, "thinking")), *sequence(get(piece, "thinking"))]
        pieces[-1] = {"type": "thinking", "thinking": thoughts}
    else:
        pieces.append(piece)


class Transcript:
    """Streamed transcriptions."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._done: str | None = None

    def add(self, chunk: object) -> None:
        """Take a piece, or the whole text that the last event repeats."""
        kind, words = text(chunk, "type"), text(chunk, "text")
        if kind == "transcription.done":
            self._done = words
        elif kind == "transcription.text.delta" and words is not None:
            self._pieces.append(words)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """One message, if anything was heard."""
        if self._done is not None:
            return [transcript_message(self._done)]
        return [transcript_message("".join(self._pieces), unfinished)] if self._pieces else []
