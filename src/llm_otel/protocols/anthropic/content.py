"""Messages in the conventions' shapes: blocks of requests and answers, by table."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, text
from llm_otel.content.media import file_part, media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    deserialised,
    message,
    output_message,
    reasoning_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import MAX_DEPTH, fields_of, generic_part
from llm_otel.protocols.anthropic.stop_reasons import finish_reason

# Opaque to all but the provider, which gets it back with the next request.
_OPAQUE = frozenset({"encrypted_content", "encrypted_index", "encrypted_stdout", "signature"})


def request_content(body: object) -> Content:
    """Messages, system and tools of a request."""
    return Content(
        inputs=[_input_message(each) for each in sequence(get(body, "messages"))],
        system=_parts(get(body, "system")),
        tools=[_tool(each) for each in sequence(get(body, "tools"))],
    )


def response_content(response: object) -> list[Message]:
    """The one message of a whole answer; none where it holds nothing."""
    parts = _parts(get(response, "content"))
    return [output_message(parts, finish_reason(get(response, "stop_reason")))] if parts else []


def _input_message(entry: object) -> Message:
    content = get(entry, "content")
    parts = _parts(content)
    results = parts and all(part["type"] == "tool_call_response" for part in parts)
    return message("tool" if results else get(entry, "role"), parts)


def _parts(content: object) -> list[Part]:
    """The parts of nothing, a string, or a list of blocks."""
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [_part(block) for block in sequence(content)]


def _part(block: object) -> Part:
    kind = text(block, "type") or ""
    build = _BLOCKS.get(kind)
    if build is None and kind.endswith("_tool_result"):
        build = _server_result
    part = build(block) if build is not None else None
    return part if part is not None else generic_part(block)


def _text(block: object) -> Part | None:
    value = get(block, "text")
    return text_part(value) if isinstance(value, str) else None


def _thinking(block: object) -> Part | None:
    value = get(block, "thinking")
    return reasoning_part(value) if isinstance(value, str) else None


def _redacted(block: object) -> Part:  # noqa: ARG001
    return {"type": "redacted_thinking"}


def _tool_use(block: object) -> Part:
    return tool_call_part(get(block, "id"), get(block, "name"), get(block, "input"))


def _tool_result(block: object) -> Part:
    content = get(block, "content")
    response = content if isinstance(content, str) else _parts(content)
    return tool_response_part(get(block, "tool_use_id"), response)


def _server_use(block: object) -> Part:
    name = text(block, "name") or "unknown"
    call = {"type": name, "input": deserialised(get(block, "input"))}
    if (server := text(block, "server_name")) is not None:
        call["server_name"] = server
    part: Part = {"type": "server_tool_call", "name": name, "server_tool_call": call}
    return _identified(part, get(block, "id"))


def _server_result(block: object) -> Part:
    result = {"type": text(block, "type"), "content": _open(get(block, "content"))}
    part: Part = {"type": "server_tool_call_response", "server_tool_call_response": result}
    return _identified(part, get(block, "tool_use_id"))


def _identified(part: Part, identity: object) -> Part:
    if isinstance(identity, str):
        part["id"] = identity
    return part


def _open(node: object, levels: int = MAX_DEPTH) -> object:
    """What a tool gave, without what is opaque; pages and pictures are left out as media are."""
    if isinstance(node, (list, tuple)) and levels:
        return [_open(each, levels - 1) for each in node]
    fields = fields_of(node) if levels else None
    if fields is None:
        return node
    if "source" in fields:
        return _document(node) or generic_part(node)
    return {key: _open(value, levels - 1) for key, value in fields.items() if key not in _OPAQUE}


def _media(modality: str) -> Callable[[object], Part | None]:
    """A builder for blocks with a source: base64, a URL, a file, or text."""

    def build(block: object) -> Part | None:
        source = get(block, "source")
        kind, mime_type = get(source, "type"), text(source, "media_type")
        if kind == "file":
            return file_part(text(source, "file_id") or "unknown", modality)
        if kind == "text":
            return text_part(text(source, "data") or "")
        if kind == "content":
            return None
        return media_part(get(source, "url") or get(source, "data"), modality, mime_type)

    return build


_document = _media("document")


def _upload(block: object) -> Part:
    return file_part(text(block, "file_id") or "unknown")


_BLOCKS: dict[str, Callable[[object], Part | None]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "server_tool_use": _server_use,
    "mcp_tool_use": _server_use,
    "image": _media("image"),
    "document": _document,
    "container_upload": _upload,
}


def _tool(tool: object) -> dict[str, object]:
    """Type, name, description and schema; nothing else, as tools may carry credentials."""
    kind = text(tool, "type")
    result: dict[str, object] = {
        "type": "function" if kind in (None, "custom") else kind,
        "name": text(tool, "name") or kind or "unknown",
    }
    for key, place in (("description", "description"), ("input_schema", "parameters")):
        value = get(tool, key)
        if value is not None:
            result[place] = value
    return result


class Blocks:
    """Collects the blocks of a stream from their events."""

    def __init__(self) -> None:
        self._blocks: dict[int, object] = {}
        self._deltas: dict[int, dict[str, list[str]]] = {}
        self._stop: object = None

    def add(self, chunk: object) -> None:
        """Take an event."""
        kind, index = text(chunk, "type"), get(chunk, "index")
        delta = get(chunk, "delta")
        if kind == "message_delta":
            self._stop = get(delta, "stop_reason") or self._stop
        elif type(index) is not int:
            return
        elif kind == "content_block_start":
            self._blocks[index] = get(chunk, "content_block")
        elif kind == "content_block_delta":
            for key in _DELTAS:
                piece = get(delta, key)
                if isinstance(piece, str):
                    self._deltas.setdefault(index, {}).setdefault(key, []).append(piece)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far."""
        parts = [_part(self._block(index)) for index in sorted(self._blocks)]
        if not parts:
            return []
        reason = unfinished if self._stop is None else finish_reason(self._stop)
        return [output_message(parts, reason)]

    def _block(self, index: int) -> object:
        """A block with its deltas put together."""
        block, deltas = self._blocks[index], self._deltas.get(index)
        fields = fields_of(block)
        if not deltas or fields is None:
            return block
        for key, pieces in deltas.items():
            joined = "".join(pieces)
            if key == "partial_json":
                fields["input"] = deserialised(joined) if joined else fields.get("input")
            else:
                begin = fields.get(key)
                fields[key] = begin + joined if isinstance(begin, str) else joined
        return fields


# Keys of a delta that hold a piece of a block.
_DELTAS = ("text", "thinking", "partial_json", "content")
