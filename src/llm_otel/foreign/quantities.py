"""Numbers, flags and lists of words in attributes, whatever type the sender gave them.

Senders write a count as an integer, a double or a text; all three read the same, for the column and
for the price. A value that cannot be right (not finite, negative, larger than anybody is billed
for) is no number: the column is NULL, and the value stays in `attributes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_otel import semconv

# More than any call uses or costs. Sums of these stay far from the limits of the columns.
MOST_TOKENS: Final = 10**12
MOST_USD: Final = 100_000.0
MOST_SECONDS: Final = 366 * 86_400.0

_MOST_RETRIES: Final = 10**6
_HIGHEST_STATUS: Final = 999
_LONGEST_NUMBER: Final = 64
_TRUE: Final = frozenset({"true", "1", "yes"})


@dataclass(frozen=True)
class Limit:
    """What an attribute may hold: `kind` names it in the log, `most` is the largest value."""

    kind: str
    most: float
    whole: bool = True


TOKENS: Final = Limit("token count", MOST_TOKENS)
LIMITS: Final[Mapping[str, Limit]] = {
    semconv.USAGE_INPUT_TOKENS: TOKENS,
    semconv.USAGE_OUTPUT_TOKENS: TOKENS,
    semconv.USAGE_CACHE_READ: TOKENS,
    semconv.USAGE_CACHE_WRITE: TOKENS,
    semconv.USAGE_REASONING: TOKENS,
    semconv.COST_AMOUNT: Limit("cost", MOST_USD, whole=False),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: Limit("time to first chunk", MOST_SECONDS, whole=False),
    semconv.HTTP_STATUS_CODE: Limit("HTTP status", _HIGHEST_STATUS),
    semconv.HTTP_RESEND_COUNT: Limit("count of retries", _MOST_RETRIES),
}


def amount(value: object, most: float) -> float | None:
    """`value` as a number from 0 to `most`; None for everything else, booleans too."""
    number = _number(value)
    return float(number) if number is not None and 0 <= number <= most else None


def signed(value: object, most: float = MOST_USD) -> float | None:
    """`value` as a number from -`most` to `most`; None for everything else."""
    number = _number(value)
    return float(number) if number is not None and -most <= number <= most else None


def count(value: object, most: float = MOST_TOKENS) -> int | None:
    """`value` as a whole number from 0 to `most`; None for everything else."""
    number = _number(value)
    return int(number) if number is not None and 0 <= number <= most else None


def _number(value: object) -> float | int | None:
    if type(value) is str and len(value) <= _LONGEST_NUMBER:
        try:
            return float(value)
        except ValueError:
            return None
    return value if type(value) is int or type(value) is float else None


def flag(value: object) -> bool:
    """A truth value, which some senders write as a text."""
    return value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)


def words(value: object) -> list[Any] | None:
    """A list of words, which some senders write as one text: JSON, or a single word."""
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, str) and value.startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        return parsed if isinstance(parsed, list) else [value]
    return [value]


def amount_of(value: Any) -> float | None:
    """USD that may be a text; None where it is no amount, negative or more than any call costs."""
    if isinstance(value, bool):
        return None
    try:
        amount = float(value)
    except (TypeError, ValueError):
        return None
    return amount if 0 <= amount <= MOST_USD else None


def count_of(value: Any) -> int | None:
    """A count that may be a text or a double; None where it is no count."""
    try:
        return int(float(value)) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        return None
