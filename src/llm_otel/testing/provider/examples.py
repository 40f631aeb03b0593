"""Values that a JSON schema allows, for structured answers and arguments of tools."""

from __future__ import annotations

from typing import Any

from .messages import Json

_SCALARS = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}
_DEPTH = 16
_NULL = {"type": "null"}


def example(schema: Json) -> Any:
    """A value that the JSON schema allows; always the same one.

    Understands what the SDKs generate from types: objects, arrays, scalars, `enum`, `const`,
    `anyOf`, `$ref`; recursive types end at the first null or list that they allow after a few
    levels.
    """
    return _example(schema, schema, _DEPTH)


def _example(schema: Any, root: Json, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    if "$ref" in schema:
        return _example(_resolve(schema["$ref"], root), root, depth - 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    deep = depth < _DEPTH // 2
    for key in ("anyOf", "oneOf", "allOf"):
        if choices := schema.get(key):
            return _example(_NULL if deep and _NULL in choices else choices[0], root, depth - 1)
    return _by_type(schema, root, depth, deep)


def _by_type(schema: Json, root: Json, depth: int, deep: bool) -> Any:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _example(value, root, depth - 1) for name, value in properties.items()}
    if kind == "array":
        count = schema.get("minItems", 0 if deep else 1)
        return [_example(schema.get("items", {}), root, depth - 1)] * count
    value = _SCALARS.get(kind)
    return max(value, schema["minimum"]) if "minimum" in schema and value is not None else value


def _resolve(reference: str, root: Json) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part) if isinstance(found, dict) else None
    return found
