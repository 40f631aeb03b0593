"""The values that a program passes to our functions: a usable value, or none and one warning.

These functions run inside a user's request, so no value makes them raise: a wrong one is left out,
as if it had not been passed. Each warns once for each argument, and never quotes the value.
"""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Mapping
from enum import Enum
from typing import SupportsIndex, TypeVar
from uuid import UUID

from llm_otel import escaping, semconv

T = TypeVar("T")

logger = logging.getLogger("llm_otel")

_MOST_WARNINGS = 256
_warned: set[tuple[str, str]] = set()


def leave_out(call: str, argument: str, reason: str) -> None:
    """Warn that an argument is left out; once for each argument of each function.

    Args:
        call: The function's name.
        argument: The argument's name.
        reason: Why, as a clause that does not quote the value.
    """
    key = (call, argument)
    if key not in _warned and len(_warned) < _MOST_WARNINGS:
        _warned.add(key)
        logger.warning(
            "llm-otel leaves out %s of %s: %s. This is logged once.", argument, call, reason
        )


def kind(value: object) -> str:
    """The class of a value, as a log line names it."""
    return escaping.visible(type(value).__name__[:64])


def _tried(load: Callable[[], T]) -> T | None:
    """What a value gives; None where code of its own class raises, or the number is too large."""
    try:
        return load()
    except Exception:  # noqa: BLE001 - then the value is a wrong one, and is left out
        return None


# ------------------------------------------------------------------ texts
def text(call: str, argument: str, value: object) -> str | None:
    """A string, bool, int, float, UUID or enum member as text; None and "" mean "not given"."""
    if value is None:
        return None
    string = _tried(lambda: _text(value))
    if string is None:
        leave_out(
            call,
            argument,
            f"a {kind(value)} is no string, finite number, bool, UUID or enum of these",
        )
        return None
    if len(string) > semconv.MAX_TEXT:
        leave_out(call, argument, f"it has more than {semconv.MAX_TEXT:,} characters")
        return None
    return string or None


def prose(call: str, argument: str, value: object) -> str | None:
    """As `text`, for what people read: cut where it is too long, instead of left out."""
    if isinstance(value, str) and str.__len__(value) > semconv.MAX_TEXT:
        value = str.__str__(value)[: semconv.MAX_TEXT - 1] + "…"
    return text(call, argument, value)


def content(call: str, argument: str, value: object) -> str | None:
    """As `text`, of any length: the policy of content cuts it."""
    return _exportable(value) if isinstance(value, str) else text(call, argument, value)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        # before enums: a string enum is what it says
        return _exportable(value)
    if isinstance(value, Enum):
        return None if isinstance(value.value, Enum) else _text(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else None
    if isinstance(value, UUID):
        return str(value)
    return str(operator.index(value)) if isinstance(value, SupportsIndex) else None


def _exportable(value: str) -> str:
    # a string enum's `str()` would be the name of the member
    string = str.__str__(value)
    # lone surrogates make exporters drop the whole batch
    return string if string.isascii() else string.encode("utf-8", "replace").decode()


def texts(call: str, argument: str, value: Mapping[str, object] | None) -> dict[str, str]:
    """A mapping of names to values, both as in `text`, without those that are left out."""
    pairs = ((name, text(call, place, item)) for name, place, item in items(call, argument, value))
    return {name: string for name, string in pairs if string is not None}


def items(
    call: str, argument: str, value: Mapping[str, object] | None
) -> list[tuple[str, str, object]]:
    """The name, the place for a warning, and the value of each item of a mapping."""
    if value is None:
        return []
    pairs = _tried(lambda: list(value.items()) if isinstance(value, Mapping) else None)
    if pairs is None:
        leave_out(call, argument, f"a {kind(value)} is no mapping that can be read")
        return []
    texts_and_items = [(text(call, f"a name in {argument}", name), item) for name, item in pairs]
    return [
        (name, f"{argument}[{escaping.short(name)}]", item)
        for name, item in texts_and_items
        if name is not None
    ]


# ------------------------------------------------------------------ numbers
def number(
    call: str, argument: str, value: object, *, low: float = 0, high: float = math.inf
) -> float | None:
    """A finite number between `low` and `high` as float; None is not given."""
    if value is None:
        return None
    result = _tried(lambda: None if isinstance(value, (str, bytes)) else float(value))  # type: ignore[arg-type]
    if result is None:
        leave_out(call, argument, f"a {kind(value)} is no number")
        return None
    if not (math.isfinite(result) and low <= result <= high):
        bounds = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} on, and finite"
        leave_out(call, argument, f"it is not from {bounds}")
        return None
    return result


def count(call: str, argument: str, value: object) -> int | None:
    """An int from 0 on; None is not given."""
    if value is None:
        return None
    result = _tried(lambda: None if isinstance(value, bool) else operator.index(value))  # type: ignore[arg-type]
    if result is None or not 0 <= result < 2**63:
        leave_out(call, argument, "it is no int from 0 on")
        return None
    return result


def flag(call: str, argument: str, value: object) -> bool | None:
    """True or False; 1, 0 and the booleans of other libraries are these, too."""
    if isinstance(value, bool):
        return value
    # numpy's booleans are no Python ones
    usable = isinstance(value, (int, float)) or type(value).__name__ in ("bool_", "bool")
    result = _tried(lambda: bool(value) if usable and value in (0, 1) else None)
    if result is None:
        leave_out(call, argument, f"a {kind(value)} is neither True nor False")
    return result


# ------------------------------------------------------------------ ids
def identifier(call: str, argument: str, value: object, digits: int) -> int | None:
    """A trace or span id as OpenTelemetry's int.

    Args:
        call: The function's name, for the warning.
        argument: The argument's name, for the warning.
        value: Hex string of exactly `digits` digits, or a positive int; None is not given.
        digits: 32 for a trace, 16 for a span.
    """
    if not is_given(value):
        return None
    number = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if isinstance(value, str) and str.__len__(value) == digits:
        try:
            number = int(str.__str__(value), 16)
        except ValueError:
            number = 0
    if not 0 < number < 16**digits:
        leave_out(call, argument, f"it is not {digits} hex digits that are not all 0, nor an int")
        return None
    return number


def is_given(value: object) -> bool:
    """Whether an argument was passed: None and "" are not."""
    return not (value is None or (isinstance(value, str) and str.__len__(value) == 0))
