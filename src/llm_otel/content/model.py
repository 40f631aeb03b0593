"""The conventions' shapes of content, as plain dicts, and the few constructors that make them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TypeAlias

Part: TypeAlias = dict[str, object]
Message: TypeAlias = dict[str, object]

ERROR = "error"
# Part types whose fields the conventions define; a `blob`, which inlines media, we never make.
DEFINED_TYPES = frozenset({
    "text", "reasoning", "tool_call", "tool_call_response", "server_tool_call",
    "server_tool_call_response", "blob", "file", "uri", "compaction",
})  # fmt: skip


@dataclass(slots=True)
class Content:
    """What one call said, not yet redacted or cut.

    Attributes:
        inputs: `gen_ai.input.messages`, in the order they were sent.
        outputs: `gen_ai.output.messages`, one for each choice.
        system: `gen_ai.system_instructions`, where the API has a field of its own for them.
        tools: `gen_ai.tool.definitions`.
    """

    inputs: list[Message] = field(default_factory=list)
    outputs: list[Message] = field(default_factory=list)
    system: list[Part] = field(default_factory=list)
    tools: list[dict[str, object]] = field(default_factory=list)


def text_part(content: str) -> Part:
    """A part of the type `text`."""
    return {"type": "text", "content": content}


def refusal_part(content: str) -> Part:
    """A refusal is text that the model wrote; the conventions have no type of its own for it."""
    return {"type": "text", "content": content, "refusal": True}


def reasoning_part(content: str) -> Part:
    """A part of the type `reasoning`."""
    return {"type": "reasoning", "content": content}


def tool_call_part(call_id: object, name: object, arguments: object) -> Part:
    """A part of the type `tool_call`; `arguments` are deserialised where they are JSON."""
    part: Part = {"type": "tool_call", "name": name if isinstance(name, str) else "unknown"}
    if isinstance(call_id, str):
        part["id"] = call_id
    if arguments is not None:
        part["arguments"] = deserialised(arguments)
    return part


def tool_response_part(call_id: object, response: object) -> Part:
    """A part of the type `tool_call_response`."""
    part: Part = {"type": "tool_call_response", "response": response}
    if isinstance(call_id, str):
        part["id"] = call_id
    return part


def message(role: object, parts: list[Part], name: object = None) -> Message:
    """A message; a role that is no string becomes `unknown`."""
    result: Message = {"role": role if isinstance(role, str) else "unknown", "parts": parts}
    if isinstance(name, str) and name:
        result["name"] = name
    return result


def output_message(parts: list[Part], finish_reason: str, role: object = "assistant") -> Message:
    """One choice. v1.41 requires the finish reason inside, later versions allow it."""
    result = message(role if isinstance(role, str) else "assistant", parts)
    result["finish_reason"] = finish_reason
    return result


def deserialised(arguments: object) -> object:
    """The object or array that a JSON string holds; anything else is returned as it came."""
    if isinstance(arguments, str) and arguments.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
    return arguments


def sequence(value: object) -> list[object]:
    """The entries of a list or tuple, nothing for None, else the value alone.

    Other iterables are never iterated: they may be the caller's, and one pass may be all they have.
    """
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
