"""Steps of interactions in the conventions' shapes."""

from __future__ import annotations

from llm_otel.base.read import get, text
from llm_otel.content.media import media_part
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
from llm_otel.protocols.gemini.content import function_tool
from llm_otel.protocols.gemini.finish_reasons import INTERACTION_REASONS

_MEDIA = ("image", "audio", "video", "document")
# Opaque to all but Gemini.
_OPAQUE = frozenset({"type", "id", "call_id", "signature"})


def request_content(body: object) -> Content:
    """Input, system instruction and tools of a request."""
    instruction = get(body, "system_instruction")
    return Content(
        inputs=_inputs(get(body, "input")),
        system=[text_part(instruction)] if isinstance(instruction, str) else [],
        tools=[_tool(each) for each in sequence(get(body, "tools"))],
    )


def response_content(response: object) -> list[Message]:
    """One message of the steps that the model took; none where there are none."""
    steps = sequence(get(response, "steps") or get(response, "outputs"))
    parts = [part for step in steps if not _is_input(step) for part in _parts(step)]
    return [output_message(parts, _reason(get(response, "status")))] if parts else []


def _reason(status: object) -> str:
    return INTERACTION_REASONS.get(status, ERROR) if isinstance(status, str) else ERROR


def _is_input(step: object) -> bool:
    return get(step, "type") in ("user_input", "function_result")


def _inputs(value: object) -> list[Message]:
    """The messages of an input: a text, contents, or steps of earlier interactions."""
    if isinstance(value, str):
        return [message("user", [text_part(value)])]
    messages: list[Message] = []
    contents: list[Part] = []
    for each in sequence(value):
        kind = text(each, "type") or ""
        if isinstance(each, str):
            contents.append(text_part(each))
        elif kind == "user_input":
            messages.append(message("user", _contents(get(each, "content"))))
        elif kind == "function_result":
            messages.append(message("tool", _parts(each)))
        elif kind == "text" or kind in _MEDIA:
            contents += _parts(each)
        elif get(each, "role") is not None:
            role = "assistant" if get(each, "role") == "model" else get(each, "role")
            messages.append(message(role, _contents(get(each, "content"))))
        else:
            messages.append(message("assistant", _parts(each)))
    return [*messages, message("user", contents)] if contents else messages


def _contents(content: object) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [part for each in sequence(content) for part in _parts(each)]


def _parts(node: object) -> list[Part]:
    """The parts of a step, or of a content."""
    kind = text(node, "type") or ""
    if kind == "text":
        return _contents(get(node, "text"))
    if kind in _MEDIA:
        source = get(node, "uri") or get(node, "data")
        return [media_part(source, kind, text(node, "mime_type"))]
    if kind == "model_output":
        return _contents(get(node, "content"))
    if kind == "thought":
        summary = _contents(get(node, "summary"))
        return [reasoning_part(str(part.get("content", ""))) for part in summary]
    if kind == "function_call":
        return [tool_call_part(get(node, "id"), get(node, "name"), get(node, "arguments"))]
    if kind == "function_result":
        result = get(node, "result")
        response = _contents(result) if isinstance(result, (list, tuple)) else result
        return [tool_response_part(get(node, "call_id"), response)]
    if kind.endswith(("_call", "_result")):
        return [_server_tool(node, kind)]
    return [generic_part(node)]


def _server_tool(node: object, kind: str) -> Part:
    """The call or the result of a tool that Google runs."""
    name, _, what = kind.rpartition("_")
    rest = {key: value for key, value in (fields_of(node) or {}).items() if key not in _OPAQUE}
    part: Part
    if what == "call":
        part = {"type": "server_tool_call", "name": name}
        part["server_tool_call"] = {"type": name, **rest}
    else:
        part = {"type": "server_tool_call_response"}
        part["server_tool_call_response"] = {"type": name, **rest}
    identity = get(node, "id") or get(node, "call_id")
    if isinstance(identity, str):
        part["id"] = identity
    return part


def _tool(tool: object) -> dict[str, object]:
    """Type and name, and of a function its schema; nothing else, as tools may carry credentials."""
    kind = text(tool, "type") or "unknown"
    if kind == "function":
        return function_tool(tool)
    return {"type": kind, "name": text(tool, "name") or kind}


class Steps:
    """Collects the steps of a stream from their events."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[str, object]] = {}
        self._texts: dict[int, list[str]] = {}
        self._arguments: dict[int, list[str]] = {}
        self._status: object = None

    def add(self, chunk: object) -> None:
        """Take an event."""
        kind, index = text(chunk, "event_type"), get(chunk, "index")
        status = get(get(chunk, "interaction"), "status") or get(chunk, "status")
        self._status = status or self._status
        if type(index) is not int:
            return
        if kind in ("step.start", "content.start"):
            step = get(chunk, "step") or get(chunk, "content")
            self._steps[index] = {**(fields_of(step) or {})}
        elif kind in ("step.delta", "content.delta"):
            self._delta(index, get(chunk, "delta"))

    def _delta(self, index: int, delta: object) -> None:
        kind = text(delta, "type") or ""
        step = self._steps.setdefault(index, {"type": kind})
        piece = get(delta, "text")
        if kind == "thought_summary":
            piece = get(get(delta, "content"), "text")
        if isinstance(piece, str):
            self._texts.setdefault(index, []).append(piece)
        elif kind == "arguments_delta":
            arguments = get(delta, "arguments")
            if isinstance(arguments, str):
                self._arguments.setdefault(index, []).append(arguments)
        elif kind in _MEDIA:
            sequence_of = step.setdefault("content", [])
            if isinstance(sequence_of, list):
                step["content"] = [*sequence_of, delta]
        elif kind != "thought_signature":
            # The call or the result of a tool that Google runs comes in one piece.
            fields = fields_of(delta) or {}
            step.update({key: value for key, value in fields.items() if key not in _OPAQUE})

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The message so far."""
        parts = [part for index in sorted(self._steps) for part in self._whole(index)]
        if not parts:
            return []
        reason = _reason(self._status)
        has_ended = self._status not in (None, "in_progress", "queued")
        return [output_message(parts, reason if has_ended else unfinished)]

    def _whole(self, index: int) -> list[Part]:
        """The parts of a step with its deltas put together."""
        step, texts = dict(self._steps[index]), "".join(self._texts.get(index, ()))
        kind = step.get("type")
        if index in self._arguments:
            step["arguments"] = deserialised("".join(self._arguments[index]))
        if texts and kind == "thought":
            return [reasoning_part(texts)]
        parts = _parts(step)
        return (
            [text_part(texts), *parts]
            if texts and kind != "text"
            else ([text_part(texts)] if texts else parts)
        )
