"""Attributes of other instrumentations as the conventions of today name them."""

from __future__ import annotations

import json
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.decode.names import (
    INDEXED,
    OLDER,
    OPERATIONS,
    PROPERTIES,
    PROVIDERS,
    TEXTS,
)

# A span that has none of these speaks the names of today: most spans cost one look.
MARKERS: Final = frozenset(
    {
        *OLDER,
        *(name for name, _, _ in TEXTS),
        *(
            f"{prefix}0.{inner}{field}"
            for prefix, inner, _ in INDEXED
            for field in ("role", "content")
        ),
    }
)


def normalise(attributes: dict[str, Any]) -> None:
    """Rename in place; a name of today wins over an older one beside it."""
    if MARKERS.isdisjoint(attributes):
        return
    for old in [name for name in attributes if name in OLDER]:
        attributes.setdefault(OLDER[old], attributes.pop(old))
    _values(attributes)
    _messages(attributes)
    for name in [name for name in attributes if name.startswith(PROPERTIES)]:
        tag = semconv.TAG_PREFIX + name[len(PROPERTIES) :]
        attributes.setdefault(tag, attributes.pop(name))


def _values(attributes: dict[str, Any]) -> None:
    """The words for operations and providers, and single finish reasons as a list."""
    for name, words in ((semconv.OPERATION_NAME, OPERATIONS), (semconv.PROVIDER_NAME, PROVIDERS)):
        word = attributes.get(name)
        if isinstance(word, str):
            attributes[name] = words.get(word.lower(), word.lower())
    reasons = attributes.get(semconv.RESPONSE_FINISH_REASONS)
    if isinstance(reasons, str):
        attributes[semconv.RESPONSE_FINISH_REASONS] = [reasons]


def _messages(attributes: dict[str, Any]) -> None:
    """Messages spread over numbered attributes, or given as one text, as one JSON list."""
    for prefix, inner, target in INDEXED:
        names = [name for name in attributes if name.startswith(prefix)]
        found: dict[int, dict[str, Any]] = {}
        for name in names:
            number, _, field = name[len(prefix) :].partition(".")
            if number.isdecimal():
                message = found.setdefault(int(number), {})
                message[field.removeprefix(inner)] = attributes.pop(name)
        if found and target not in attributes:
            listed = [_message(found[number]) for number in sorted(found)]
            attributes[target] = json.dumps(listed, ensure_ascii=False)
    for name, role, target in TEXTS:
        text = attributes.pop(name, None)
        if text is not None and target not in attributes:
            message = _message({"role": role, "content": text})
            attributes[target] = json.dumps([message], ensure_ascii=False)


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    """One message in the shape of the conventions; other fields stay as they are."""
    role = fields.pop("role", "assistant")
    content = fields.pop("content", None)
    parts = [{"type": "text", "content": content}] if content is not None else []
    return {"role": role, "parts": parts, **fields}
