"""Converse's messages in the conventions' shapes: blocks of requests and answers, by table."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, text
from llm_otel.content.media import media_part, omitted_part
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
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.bedrock.stop_reasons import finish_reason

# A mark between blocks, which says nothing.
_MARK = "cachePoint"


def request_content(body: object) -> Content:
    """Messages, system and tools of a request."""
    tools = sequence(get(get(body, "toolConfig"), "tools"))
    return Content(
        inputs=[_input_message(each) for each in sequence(get(body, "messages"))],
        system=_parts(get(body, "system")),
        tools=[_tool(each) for each in tools if get(each, _MARK) is None],
    )


def response_content(response: object) -> list[Message]:
    """The one message of a whole answer; none where it holds nothing."""
    reply = get(get(response, "output"), "message")
    parts = _parts(get(reply, "content"))
    reason = finish_reason(get(response, "stopReason"))
    return [output_message(parts, reason, get(reply, "role"))] if parts else []


def _input_message(entry: object) -> Message:
    parts = _parts(get(entry, "content"))
    results = parts and all(part["type"] == "tool_call_response" for part in parts)
    return message("tool" if results else get(entry, "role"), parts)


def _parts(blocks: object) -> list[Part]:
    return [_part(block) for block in sequence(blocks) if get(block, _MARK) is None]


def _part(block: object) -> Part:
    """A block has one key, which says what it is."""
    for key, build in _BLOCKS.items():
        value = get(block, key)
        if value is not None:
            part = build(value)
            if part is not None:
                return part
    fields = fields_of(block)
    if fields is not None and len(fields) == 1:
        [(kind, value)] = fields.items()
        return generic_part({**(fields_of(value) or {"value": value}), "type": kind})
    return generic_part(block)


def _text(value: object) -> Part | None:
    return text_part(value) if isinstance(value, str) else None


def _tool_use(value: object) -> Part:
    name, call_id = get(value, "name"), get(value, "toolUseId")
    if get(value, "type") != "server_tool_use":
        return tool_call_part(call_id, name, get(value, "input"))
    tool_name = name if isinstance(name, str) else "unknown"
    server_call = {"type": tool_name, "input": deserialised(get(value, "input"))}
    part: Part = {"type": "server_tool_call", "name": tool_name, "server_tool_call": server_call}
    if isinstance(call_id, str):
        part["id"] = call_id
    return part


def _tool_result(value: object) -> Part:
    call_id, results, kind = (
        get(value, "toolUseId"),
        _results(get(value, "content")),
        get(value, "type"),
    )
    if not isinstance(kind, str):
        return tool_response_part(call_id, results)
    # Of a tool that AWS ran.
    response = {"type": kind, "content": results}
    part: Part = {"type": "server_tool_call_response", "server_tool_call_response": response}
    return {**part, "id": call_id} if isinstance(call_id, str) else part


def _results(blocks: object) -> object:
    """What a tool gave: the value alone where it is one text or document."""
    entries = sequence(blocks)
    if len(entries) == 1:
        for key in ("json", "text"):
            value = get(entries[0], key)
            if value is not None:
                return value
    return [_part(entry) for entry in entries]


def _reasoning(value: object) -> Part:
    plain_text = text(get(value, "reasoningText"), "text")
    return reasoning_part(plain_text) if plain_text is not None else {"type": "redacted_thinking"}


def _guarded(value: object) -> Part | None:
    plain_text = text(get(value, "text"), "text")
    if plain_text is not None:
        return {**text_part(plain_text), "guarded": True}
    image = get(value, "image")
    return _media("image")(image) if image is not None else None


def _cited(value: object) -> Part:
    pieces = [text(each, "text") or "" for each in sequence(get(value, "content"))]
    part = text_part("".join(pieces))
    return {**part, "citations": get(value, "citations")}


def _media(modality: str) -> Callable[[object], Part | None]:
    """A builder for images, documents, videos and sounds: bytes, a place in S3, or text."""

    def build(value: object) -> Part | None:
        source, form = get(value, "source"), text(value, "format")
        mime_type = _MIME_TYPES.get(form or "") or (f"{modality}/{form}" if form else None)
        plain_text = text(source, "text")
        if plain_text is not None:
            return text_part(plain_text)
        content = get(source, "content")
        if content is not None:
            pieces = [text(each, "text") or "" for each in sequence(content)]
            return text_part("".join(pieces))
        place = text(get(source, "s3Location"), "uri")
        data = place if place is not None else get(source, "bytes")
        if isinstance(data, (bytes, bytearray, str)):
            return media_part(data, modality, mime_type)
        return omitted_part(modality, mime_type, None)

    return build


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
_MIME_TYPES = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "three_gp": "video/3gpp",
}

_BLOCKS: dict[str, Callable[[object], Part | None]] = {
    "text": _text,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "image": _media("image"),
    "document": _media("document"),
    "video": _media("video"),
    "audio": _media("audio"),
    "guardContent": _guarded,
    "citationsContent": _cited,
    "json": lambda value: {"type": "json", "content": value},
}


def _tool(tool: object) -> dict[str, object]:
    """Type, name, description and schema."""
    spec = get(tool, "toolSpec")
    if spec is None:
        return {"type": "extension", "name": text(get(tool, "systemTool"), "name") or "unknown"}
    result: dict[str, object] = {"type": "function", "name": text(spec, "name") or "unknown"}
    described, schema = get(spec, "description"), get(get(spec, "inputSchema"), "json")
    if described is not None:
        result["description"] = described
    if schema is not None:
        result["parameters"] = schema
    return result


class Blocks:
    """Collects the blocks of a stream from their events."""

    def __init__(self) -> None:
        self._role: object = None
        self._stop: object = None
        self._starts: dict[int, object] = {}
        self._deltas: dict[int, list[object]] = {}

    def add(self, chunk: object) -> None:
        """Take an event."""
        if (begin := get(chunk, "messageStart")) is not None:
            self._role = get(begin, "role")
        elif (stop := get(chunk, "messageStop")) is not None:
            self._stop = get(stop, "stopReason") or ERROR
        elif (start := get(chunk, "contentBlockStart")) is not None:
            self._starts[_index(start)] = get(start, "start")
        elif (delta := get(chunk, "contentBlockDelta")) is not None:
            self._deltas.setdefault(_index(delta), []).append(get(delta, "delta"))

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far."""
        indexes = sorted({*self._starts, *self._deltas})
        parts = _joined([part for index in indexes for part in self._block(index)])
        if not parts:
            return []
        reason = unfinished if self._stop is None else finish_reason(self._stop)
        return [output_message(parts, reason, self._role)]

    def _block(self, index: int) -> list[Part]:
        """The parts of a block, its deltas put together."""
        start, deltas = self._starts.get(index), self._deltas.get(index, [])
        use = get(start, "toolUse")
        if use is not None:
            pieces = _pieces(deltas, "toolUse", "input")
            arguments = "".join(pieces) if pieces else get(use, "input")
            return [_tool_use({**(fields_of(use) or {}), "input": arguments})]
        if get(start, "toolResult") is not None:
            results = [each for delta in deltas for each in sequence(get(delta, "toolResult"))]
            return [
                _tool_result({**(fields_of(get(start, "toolResult")) or {}), "content": results})
            ]
        thoughts = _pieces(deltas, "reasoningContent", "text")
        parts = [reasoning_part("".join(thoughts))] if thoughts else []
        texts = [value for delta in deltas if isinstance(value := get(delta, "text"), str)]
        if texts:
            parts.append(text_part("".join(texts)))
        images = [get(delta, "image") for delta in deltas if get(delta, "image") is not None]
        parts += [_part({"image": image}) for image in images]
        hidden = any(get(get(each, "reasoningContent"), "redactedContent") for each in deltas)
        return parts or ([{"type": "redacted_thinking"}] if hidden else [])


def _joined(parts: list[Part]) -> list[Part]:
    """The parts with text that goes on in one piece: Nova's own streams have a block for each
    token."""
    result: list[Part] = []
    for part in parts:
        if result and part["type"] == result[-1]["type"] == "text":
            result[-1] = text_part(f"{result[-1]['content']}{part['content']}")
        else:
            result.append(part)
    return result


def _index(event: object) -> int:
    index = get(event, "contentBlockIndex")
    return index if type(index) is int else 0


def _pieces(deltas: list[object], kind: str, key: str) -> list[str]:
    values = [get(get(delta, kind), key) for delta in deltas]
    return [value for value in values if isinstance(value, str)]
