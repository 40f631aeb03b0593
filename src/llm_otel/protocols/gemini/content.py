"""Contents in the conventions' shapes: parts of requests and answers, by table."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, integer, text
from llm_otel.content.media import media_part, uri_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    reasoning_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.gemini.candidates import Candidate, parsed
from llm_otel.protocols.gemini.finish_reasons import finish_reason

_ROLES = {"model": "assistant", "function": "tool"}


def request_content(body: object) -> Content:
    """Contents, system instruction and tools of a request."""
    return Content(
        inputs=[_input_message(each) for each in sequence(get(body, "contents"))],
        system=content_parts(_either(body, "systemInstruction", "system_instruction")),
        tools=[tool for each in sequence(get(body, "tools")) for tool in _tools(each)],
    )


def response_content(response: object) -> list[Message]:
    """A message for each candidate that holds something."""
    messages = []
    for node in sequence(get(response, "candidates")):
        parts = content_parts(get(node, "content"))
        if parts:
            candidate = Candidate.of(node)
            reason = finish_reason(candidate.stop, candidate.calls_tool)
            messages.append(output_message(parts, reason))
    return messages


def _input_message(entry: object) -> Message:
    parts = content_parts(entry)
    role = text(entry, "role") or "user"
    if parts and all(part["type"] == "tool_call_response" for part in parts):
        role = "tool"
    return message(_ROLES.get(role, role), parts)


def content_parts(content: object) -> list[Part]:
    """The parts of a content, or of a text that stands for one."""
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [_part(each) for each in sequence(get(content, "parts")) if not _is_empty(each)]


def _is_empty(part: object) -> bool:
    """Whether a part holds nothing but an empty text, as the last of a stream does."""
    fields = fields_of(part)
    return fields is not None and not (fields.keys() - _MARKS) and not fields.get("text")


# What stands beside the content of a part: whose thought it is, and what only Gemini can read.
_MARKS = frozenset({"text", "thought", "thoughtSignature", "thought_signature"})


def _part(part: object) -> Part:
    for names, build in _PARTS:
        value = _either(part, *names)
        if value is not None:
            result = build(value)
            break
    else:
        result = None
        value = get(part, "text")
        if isinstance(value, str):
            result = reasoning_part(value) if get(part, "thought") is True else text_part(value)
    return result if result is not None else _unknown(part)


def _unknown(part: object) -> Part:
    fields = fields_of(part)
    if fields is None:
        return generic_part(part)
    rest = {key: value for key, value in fields.items() if key not in _MARKS}
    return {"type": next(iter(rest), "unknown"), "content": rest}


def _either(node: object, *names: str) -> object:
    """A field by its name on the wire, or as a caller wrote it."""
    return next((value for name in names if (value := get(node, name)) is not None), None)


def _modality(mime_type: str | None) -> str:
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"


def _inline(value: object) -> Part:
    mime_type = text(value, "mimeType") or text(value, "mime_type")
    return media_part(get(value, "data"), _modality(mime_type), mime_type)


def _file(value: object) -> Part | None:
    uri = text(value, "fileUri") or text(value, "file_uri")
    mime_type = text(value, "mimeType") or text(value, "mime_type")
    return uri_part(uri, _modality(mime_type), mime_type) if uri is not None else None


def _call(value: object) -> Part:
    return tool_call_part(get(value, "id"), get(value, "name"), get(value, "args"))


def _response(value: object) -> Part:
    return tool_response_part(get(value, "id"), get(value, "response"))


def _code(value: object) -> Part:
    return {
        "type": "server_tool_call",
        "name": "code_execution",
        "server_tool_call": {
            "type": "code_execution",
            "code": get(value, "code"),
            "language": get(value, "language"),
        },
    }


def _code_result(value: object) -> Part:
    return {
        "type": "server_tool_call_response",
        "server_tool_call_response": {
            "type": "code_execution",
            "outcome": get(value, "outcome"),
            "output": get(value, "output"),
        },
    }


def _server_call(value: object) -> Part:
    name = text(value, "toolType") or text(value, "tool_type") or "unknown"
    part: Part = {
        "type": "server_tool_call",
        "name": name,
        "server_tool_call": {"type": name, "input": get(value, "args")},
    }
    return _identified(part, value)


def _server_response(value: object) -> Part:
    name = text(value, "toolType") or text(value, "tool_type") or "unknown"
    part: Part = {
        "type": "server_tool_call_response",
        "server_tool_call_response": {"type": name, "content": get(value, "response")},
    }
    return _identified(part, value)


def _identified(part: Part, value: object) -> Part:
    identity = get(value, "id")
    if isinstance(identity, str):
        part["id"] = identity
    return part


_PARTS: tuple[tuple[tuple[str, ...], Callable[[object], Part | None]], ...] = (
    (("functionCall", "function_call"), _call),
    (("functionResponse", "function_response"), _response),
    (("inlineData", "inline_data"), _inline),
    (("fileData", "file_data"), _file),
    (("executableCode", "executable_code"), _code),
    (("codeExecutionResult", "code_execution_result"), _code_result),
    (("toolCall", "tool_call"), _server_call),
    (("toolResponse", "tool_response"), _server_response),
)


def _tools(tool: object) -> list[dict[str, object]]:
    """Functions with their schema; of Google's own tools the name alone."""
    result: list[dict[str, object]] = []
    for key in fields_of(tool) or ():
        if key in ("functionDeclarations", "function_declarations"):
            result += [function_tool(each) for each in sequence(get(tool, key))]
        elif isinstance(key, str):
            result.append({"type": key, "name": key})
    return result


def function_tool(declaration: object) -> dict[str, object]:
    """Name, description and schema of a function."""
    result: dict[str, object] = {
        "type": "function",
        "name": text(declaration, "name") or "unknown",
    }
    schema = _either(declaration, "parameters", "parametersJsonSchema", "parameters_json_schema")
    for place, value in (("description", get(declaration, "description")), ("parameters", schema)):
        if value is not None:
            result[place] = value
    return result


class Candidates:
    """Collects the candidates of a stream: pieces of a text, or of a thought, become one part."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Part]] = {}
        self._pieces: dict[int, list[str]] = {}
        self._candidates: dict[int, Candidate] = {}

    def add(self, chunk: object) -> None:
        """Take a chunk."""
        for node in sequence(get(parsed(chunk), "candidates")):
            index = integer(get(node, "index")) or 0
            candidate, before = Candidate.of(node), self._candidates.get(index)
            self._candidates[index] = candidate if before is None else candidate.after(before)
            for part in content_parts(get(node, "content")):
                self._append(index, part)

    def _append(self, index: int, part: Part) -> None:
        parts = self._parts.setdefault(index, [])
        kind, value = part["type"], part.get("content")
        joins = kind in ("text", "reasoning") and isinstance(value, str)
        if joins and parts and parts[-1]["type"] == kind and self._pieces.get(index):
            self._pieces[index].append(str(value))
            return
        self._join(index)
        parts.append(part)
        self._pieces[index] = [str(value)] if joins else []

    def _join(self, index: int) -> None:
        pieces, parts = self._pieces.get(index), self._parts.get(index)
        if pieces and parts:
            parts[-1]["content"] = "".join(pieces)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """A message for each candidate so far."""
        messages = []
        for index, parts in sorted(self._parts.items()):
            self._join(index)
            last = self._candidates[index]
            reason = finish_reason(last.stop, last.calls_tool) if last.stop else unfinished
            messages.append(output_message(parts, reason))
        return messages
