"""What the JSON texts of some vocabularies say of a call."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.names.json_texts import (
    ANSWERS,
    AT_LEAST,
    COUNTS,
    FIELDS,
    SUMMED,
    USAGES,
    Path,
)
from llm_otel.foreign.quantities import count_of

try:
    import orjson

    _loads: Any = orjson.loads
except ImportError:  # a faster reader of JSON, not another one
    _loads = json.loads

_LARGEST: Final = 2**63
_LONGEST_COUNT: Final = 16
_LONGEST_PRINTED: Final = 4096

TEXTS: Final = frozenset({*FIELDS, *USAGES})
_FLAT: Final = {path[0]: name for name, paths in COUNTS.items() for path in paths if len(path) == 1}
_NESTED: Final = {path: name for name, paths in COUNTS.items() for path in paths if len(path) == 2}
_BESIDE: Final = {
    "read_beside": "input",
    "written_beside": "input",
    "reasoning_beside": "output",
}


def unpack(attributes: dict[str, Any], names: Iterable[str]) -> bool:
    """Add what the JSON texts called `names` say; an attribute that is there stays as it is.

    The texts stay too. One that is no JSON is the value itself where all of it is meant.

    Returns:
        Whether one of them is the provider's own answer, with its usage.
    """
    answered = False
    for name in names:
        text = parsed(attributes[name])
        for path, target in FIELDS.get(name, ()):
            value = _at(text, path)
            if target == name:
                attributes[name] = value
            elif value not in (None, "") and not (type(value) is int and _whole(value) is None):
                attributes.setdefault(target, value)
        for path in USAGES.get(name, ()):
            details = _at(text, path)
            if isinstance(details, dict):
                counts = usage(details)
                answered |= name in ANSWERS and bool(counts)
                for target, count in counts.items():
                    if name in ANSWERS:
                        least = count_of(attributes.get(target)) if name in AT_LEAST else None
                        attributes[target] = max(count, least or 0)
                    else:
                        attributes.setdefault(target, count)
                break
        if name in SUMMED and isinstance(text, dict):
            costs = [x for x in text.values() if type(x) in (int, float)]
            if costs:
                attributes.setdefault(SUMMED[name], sum(costs))
    return answered


def usage(details: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a usage in the shape of any provider or framework, cached tokens inside the
    input and reasoning inside the output."""
    counts = _counts(details)
    beside = {name: counts[name] for name in _BESIDE if counts.get(name)}
    for name in _beside(counts, beside):
        whole = _BESIDE[name]
        if whole in counts:
            counts[whole] += beside[name]
    found = {
        semconv.USAGE_INPUT_TOKENS: counts.get("input"),
        semconv.USAGE_OUTPUT_TOKENS: counts.get("output"),
        semconv.USAGE_CACHE_READ: counts.get("read_beside", counts.get("read_inside")),
        semconv.USAGE_CACHE_WRITE: counts.get("written_beside", counts.get("written_inside")),
        semconv.USAGE_REASONING: counts.get("reasoning_beside", counts.get("reasoning_inside")),
    }
    return {name: count for name, count in found.items() if count is not None}


def _counts(details: Mapping[str, Any]) -> dict[str, int]:
    """The counts by their names in `COUNTS`."""
    found: dict[str, int] = {}
    for key, value in details.items():
        if isinstance(value, dict):
            for inner, count in value.items():
                if (name := _NESTED.get((key, inner))) and (whole := _whole(count)) is not None:
                    found.setdefault(name, whole)
        elif (name := _FLAT.get(key)) and (whole := _whole(value)) is not None:
            found.setdefault(name, whole)
    return found


def _whole(value: Any) -> int | None:
    if type(value) is int:
        return value if abs(value) < _LARGEST else None
    if type(value) is str and value.isdecimal() and len(value) < _LONGEST_COUNT:
        return int(value)
    return _whole(int(value)) if isinstance(value, float) and value.is_integer() else None


def _beside(counts: Mapping[str, int], beside: Mapping[str, int]) -> tuple[str, ...]:
    """Which of the counts that can be apart from input and output are: what the total needs."""
    total = counts.get("total")
    if total is not None and beside:
        rest = total - counts.get("input", 0) - counts.get("output", 0)
        for number in range(len(beside) + 1):
            for names in combinations(beside, number):
                if sum(beside[name] for name in names) == rest:
                    return names
    return tuple(beside)


def parsed(value: Any) -> Any:
    """The value of a JSON text, or of a dict that Python printed; any other text as it is."""
    if not isinstance(value, str):
        return value
    try:
        return _loads(value)
    except (ValueError, RecursionError):
        pass
    if value.startswith("{'") and len(value) < _LONGEST_PRINTED:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass
    return value


def _at(value: Any, path: Path) -> Any:
    """The part of a parsed JSON text at `path`; None where there is none."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value
