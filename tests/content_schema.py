"""The conventions' shapes of content, as a checker that says where a value departs from them."""

from __future__ import annotations

from typing import Any

_STRING = (str,)
_ANY = (str, int, float, bool, dict, list, type(None))
# Part type -> required fields, optional fields; further fields are allowed by the conventions.
PARTS: dict[str, tuple[dict[str, tuple[type, ...]], dict[str, tuple[type, ...]]]] = {
    "text": ({"content": _STRING}, {}),
    "reasoning": ({"content": _STRING}, {}),
    "tool_call": ({"name": _STRING}, {"id": _STRING, "arguments": _ANY}),
    "tool_call_response": ({"response": _ANY}, {"id": _STRING}),
    "server_tool_call": ({"name": _STRING, "server_tool_call": (dict,)}, {"id": _STRING}),
    "server_tool_call_response": ({"server_tool_call_response": (dict,)}, {"id": _STRING}),
    "file": ({"modality": _STRING, "file_id": _STRING}, {"mime_type": _STRING}),
    "uri": ({"modality": _STRING, "uri": _STRING}, {"mime_type": _STRING}),
    "compaction": ({}, {"id": _STRING, "content": _STRING}),
    "omitted_blob": ({"modality": _STRING}, {"mime_type": _STRING, "byte_length": (int,)}),
}


def part_errors(part: Any, where: str) -> list[str]:
    """What is wrong with one part."""
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return [f"{where} is no part: {part!r}"]
    if part["type"] == "blob":
        return [f"{where} inlines media"]
    required, optional = PARTS.get(part["type"], ({}, {}))
    errors = [f"{where} lacks {key}: {part!r}" for key in required if key not in part]
    for key, types in {**required, **optional}.items():
        if key in part and not isinstance(part[key], types):
            errors.append(f"{where}.{key} is a {type(part[key]).__name__}")
    if str(part.get("uri", "")).startswith("data:"):
        errors.append(f"{where}.uri is a data URL")
    for key in ("server_tool_call", "server_tool_call_response"):
        if isinstance(part.get(key), dict) and not isinstance(part[key].get("type"), str):
            errors.append(f"{where}.{key} lacks type")
    return errors


def message_errors(messages: Any, *, output: bool = False) -> list[str]:
    """What is wrong with `gen_ai.input.messages` or `gen_ai.output.messages`."""
    if not isinstance(messages, list):
        return [f"no list: {messages!r}"]
    errors = []
    for index, message in enumerate(messages):
        where = f"[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            errors.append(f"{where} is no message: {message!r}")
            continue
        if output and not isinstance(message.get("finish_reason"), str):
            errors.append(f"{where} lacks finish_reason, which v1.41 requires")
        if not isinstance(message.get("name", ""), str):
            errors.append(f"{where}.name is no string")
        if not isinstance(message.get("parts"), list):
            errors.append(f"{where}.parts is no list")
            continue
        for number, part in enumerate(message["parts"]):
            errors += part_errors(part, f"{where}.parts[{number}]")
    return errors


def tool_errors(tools: Any) -> list[str]:
    """What is wrong with `gen_ai.tool.definitions`."""
    return [
        f"[{index}].{key} is no string: {tool!r}"
        for index, tool in enumerate(tools)
        for key in ("type", "name")
        if not isinstance(tool.get(key), str)
    ]


def assert_valid(content: Any) -> None:
    """Assert that a cleaned `Content` has the conventions' shapes."""
    errors = (
        message_errors(content.inputs)
        + message_errors(content.outputs, output=True)
        + tool_errors(content.tools)
        + [e for i, part in enumerate(content.system) for e in part_errors(part, f"system[{i}]")]
    )
    assert not errors, "\n".join(errors)
