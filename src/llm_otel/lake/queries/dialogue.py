"""Captured messages as text."""

from __future__ import annotations

import json
from typing import Any


def messages(text: str | None) -> list[tuple[str, str]]:
    """(role, text) of captured messages; what is no text is shown as JSON."""
    if not text:
        return []
    try:
        document = json.loads(text)
    except ValueError:
        return [("message", text)]
    items = document if isinstance(document, list) else [document]
    return [_message(item) for item in items]


def _message(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict):
        return "message", item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    parts = item.get("parts", [item])
    return str(item.get("role", "system")), "\n".join(_part(part) for part in parts)


def _part(part: Any) -> str:
    if isinstance(part, dict) and isinstance(part.get("content"), str):
        return str(part["content"])
    if isinstance(part, dict) and part.get("type") == "tool_call":
        arguments = json.dumps(part.get("arguments"), ensure_ascii=False)
        return f"{part.get('name', 'tool')}({arguments})"
    if isinstance(part, dict) and part.get("type") == "tool_call_response":
        return json.dumps(part.get("result", part.get("response")), ensure_ascii=False)
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
