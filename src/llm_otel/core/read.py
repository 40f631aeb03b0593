"""Read provider bodies, whether plain JSON or an SDK's pydantic objects, without trusting them."""

from __future__ import annotations

import math


def get(node: object, key: str) -> object | None:
    """`node[key]` of a dict or the field `key` of a pydantic object; None where there is none.

    Reads `__dict__` instead of `getattr`: no property, no `__getattr__` of foreign code runs.
    """
    if type(node) is dict:
        return node.get(key)
    try:
        fields = node.__dict__
    except AttributeError:
        return None
    value: object | None = fields.get(key)
    if value is None and key not in fields:
        extra = getattr(node, "__pydantic_extra__", None)
        if type(extra) is dict:
            return extra.get(key)
    return value


def path(node: object, keys: tuple[str, ...]) -> object | None:
    """Follow `keys` through nested nodes; None where the way ends."""
    current: object | None = node
    for key in keys:
        if current is None:
            return None
        current = get(current, key)
    return current


def text(node: object, key: str) -> str | None:
    """The field when it is a string that is not empty."""
    value = get(node, key)
    return value if isinstance(value, str) and value else None


def items(node: object, key: str) -> list[object]:
    """The field when it is a list, else an empty one."""
    value = get(node, key)
    return value if type(value) is list else []


def count(value: object) -> int:
    """A token count: a whole number ≥ 0; anything else a provider may send is 0."""
    if type(value) is int:
        return value if value > 0 else 0
    if type(value) is float and value > 0 and math.isfinite(value):
        return int(value)
    return 0


def number(value: object) -> float | None:
    """A finite number as float, else None; booleans are no numbers."""
    if type(value) is float or type(value) is int:
        try:
            result = float(value)
        except OverflowError:
            return None
        return result if math.isfinite(result) else None
    return None
