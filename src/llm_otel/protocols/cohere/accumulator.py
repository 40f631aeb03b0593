"""Collects what a stream says from its events."""

from __future__ import annotations

from llm_otel.base.read import get, path, text
from llm_otel.content.model import ERROR, Message, sequence
from llm_otel.protocols.cohere.content import message_parts, response_content, unfinished_message
from llm_otel.protocols.cohere.words import kind_of

_NODE = dict[str, object]


class Pieces:
    """The message of one stream, of v2 or v1.

    A block or a tool call of v2 begins with one event, which may hold its first piece, and goes on
    with others of its index.
    """

    def __init__(self) -> None:
        self._blocks: dict[object, dict[str, list[str]]] = {}
        self._calls: dict[object, tuple[object, object, list[str]]] = {}
        self._called: list[object] = []
        self._plan: list[str] = []
        self._text: list[str] = []
        self._reason: object = None
        self._whole: object = None

    def add(self, chunk: object) -> None:
        """Take an event."""
        kind = kind_of(chunk) or ""
        delta = path(chunk, ("delta", "message"))
        if kind.startswith("content-"):
            self._block(get(chunk, "index"), get(delta, "content"))
        elif kind.startswith("tool-call-"):
            self._call(get(chunk, "index"), get(delta, "tool_calls"))
        elif kind == "tool-plan-delta":
            _append(self._plan, delta, "tool_plan")
        elif kind == "text-generation":
            _append(self._text, chunk, "text")
        elif kind == "tool-calls-generation":
            self._called = sequence(get(chunk, "tool_calls"))
        elif kind == "message-end":
            self._reason = path(chunk, ("delta", "finish_reason"))
        elif kind == "stream-end":
            self._reason = get(chunk, "finish_reason")
            self._whole = get(chunk, "response")

    def _block(self, index: object, content: object) -> None:
        block = self._blocks.setdefault(index, {})
        for key in ("thinking", "text"):
            piece = text(content, key)
            if piece is not None:
                block.setdefault(key, []).append(piece)

    def _call(self, index: object, call: object) -> None:
        function = get(call, "function")
        if index not in self._calls:
            self._calls[index] = (get(call, "id"), get(function, "name"), [])
        _append(self._calls[index][2], function, "arguments")

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far; that of the last event where it repeats the whole."""
        whole = response_content(self._whole)
        if whole:
            return whole
        node = {
            "tool_plan": "".join(self._plan),
            "content": [*self._content(), *self._plain()],
            "tool_calls": [*map(_wire, self._calls.values()), *self._called],
        }
        parts = message_parts(node)
        return [unfinished_message(parts, self._reason, unfinished)] if parts else []

    def _content(self) -> list[_NODE]:
        return [
            {"type": kind, kind: "".join(pieces)}
            for block in self._blocks.values()
            for kind, pieces in block.items()
        ]

    def _plain(self) -> list[_NODE]:
        text = "".join(self._text)
        return [{"type": "text", "text": text}] if text else []


def _append(pieces: list[str], node: object, key: str) -> None:
    piece = text(node, key)
    if piece is not None:
        pieces.append(piece)


def _wire(call: tuple[object, object, list[str]]) -> _NODE:
    identity, name, arguments = call
    return {"id": identity, "function": {"name": name, "arguments": "".join(arguments)}}
