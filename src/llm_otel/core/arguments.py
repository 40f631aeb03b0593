"""Checks of what the user passes to our functions: one clear sentence, or a plain value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex
from uuid import UUID


def text(call: str, argument: str, value: object) -> str | None:
    """The argument as a string that can be exported; None and "" mean "not given".

    Raises:
        TypeError: It is not a string, int or UUID.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise TypeError(
            f"{call}: {argument} must be a string, int or UUID, not {type(value).__name__}."
        )
    # a string enum's `str()` would be the name of the member
    string = str.__str__(value) if isinstance(value, str) else str(value)
    if not string.isascii():
        # lone surrogates make exporters drop the whole batch
        string = string.encode("utf-8", "replace").decode()
    return string or None


def texts(call: str, argument: str, value: Mapping[str, object] | None) -> dict[str, str]:
    """A mapping of names to values as in `text`, without those not given.

    Raises:
        TypeError: It is no mapping, or a name or value is not allowed.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{call}: {argument} must be a mapping of strings, not {type(value).__name__}."
        )
    pairs = (
        (text(call, f"each name in {argument}", k), text(call, f"each value in {argument}", v))
        for k, v in value.items()
    )
    return {name: found for name, found in pairs if name is not None and found is not None}


def number(
    call: str, argument: str, value: object, *, low: float = 0, high: float = math.inf
) -> float:
    """The argument as a finite float between `low` and `high`.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not finite or out of bounds.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, SupportsFloat):
        raise TypeError(f"{call}: {argument} must be a number, not {type(value).__name__}.")
    found = float(value)
    if not math.isfinite(found) or not low <= found <= high:
        bounds = f"between {low:g} and {high:g}"
        if high == math.inf:
            bounds = f"at least {low:g} and finite"
        raise ValueError(f"{call}: {argument} must be {bounds}, not {found:g}.")
    return found


def count(call: str, argument: str, value: object) -> int | None:
    """The argument as an int from 0 on; None is not given.

    Raises:
        TypeError: It is no int.
        ValueError: It is negative.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{call}: {argument} must be an int, not {type(value).__name__}.")
    found = value.__index__()
    if found < 0:
        raise ValueError(f"{call}: {argument} must not be negative.")
    return found


def identifier(call: str, argument: str, value: object, digits: int) -> int | None:
    """A trace or span id as OpenTelemetry's int.

    Args:
        call: The function's name, for the message.
        argument: The argument's name, for the message.
        value: Hex string of exactly `digits` digits, or a positive int; None is not given.
        digits: 32 for a trace, 16 for a span.

    Raises:
        ValueError: It is none of these.
    """
    if value is None:
        return None
    found = value if isinstance(value, int) else 0
    if isinstance(value, str) and len(value) == digits:
        try:
            found = int(value, 16)
        except ValueError:
            found = 0
    if isinstance(value, bool) or not 0 < found < 16**digits:
        raise ValueError(f"{call}: {argument} must be {digits} hex digits, not all 0, or an int.")
    return found
