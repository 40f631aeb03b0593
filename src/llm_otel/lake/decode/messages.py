"""Messages that are spread over attributes or given as one text, as one list in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from llm_otel.lake.decode.names.content import INDEXED, TEXTS
from llm_otel.lake.decode.values import text as text_of

# A numbered attribute: its name, the list, the number of the message, the field of the message.
Part = tuple[str, str, int, str]

_LONGEST_NUMBER: Final = 10


def gather(attributes: dict[str, Any], indexed: Iterable[Part], contents: Iterable[str]) -> None:
    """Messages spread over numbered attributes, or given as one text, as one JSON list."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name, target, number, field in indexed:
        found.setdefault(target, {}).setdefault(number, {})[field] = attributes.pop(name)
    for target, messages in found.items():
        if target not in attributes:
            listed = [messages[number] for number in sorted(messages)]
            attributes[target] = text_of_messages(listed)
    for name in contents:
        text = attributes.pop(name, None)
        role, target = TEXTS[name]
        if text not in (None, "", "{}") and target not in attributes:
            attributes[target] = text_of_messages([{"role": role, "content": text}])


def part_of(name: str) -> Part | None:
    """The part of a message that a numbered attribute is, and which."""
    for prefix, inner, target in INDEXED:
        if name.startswith(prefix):
            number, _, field = name[len(prefix) :].partition(".")
            if number.isdecimal() and len(number) < _LONGEST_NUMBER:
                return name, target, int(number), field.removeprefix(inner)
    return None


def text_of_messages(messages: list[dict[str, Any]]) -> str:
    """Messages in the shape of the conventions, as JSON."""
    return text_of([_message(fields) for fields in messages])


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    """One message in the shape of the conventions; other fields stay as they are."""
    role = fields.pop("role", "assistant")
    content = fields.pop("content", None)
    parts = [{"type": "text", "content": content}] if content is not None else []
    return {"role": role, "parts": parts, **fields}
