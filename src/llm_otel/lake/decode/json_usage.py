"""What the JSON texts of some vocabularies say of a call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.decode.names.json_texts import (
    ANSWERS,
    COUNTS,
    FIELDS,
    SUMMED,
    USAGES,
    Path,
)

try:
    import orjson

    _loads: Any = orjson.loads
except ImportError:  # a faster reader of JSON, not another one
    _loads = json.loads

_LARGEST: Final = 2**63

TEXTS: Final = frozenset({*FIELDS, *USAGES})
# Those of which more is read than some of their keys.
SPREAD: Final = frozenset({*USAGES, *SUMMED})
_FLAT: Final = {path[0]: name for name, paths in COUNTS.items() for path in paths if len(path) == 1}
_NESTED: Final = {path: name for name, paths in COUNTS.items() for path in paths if len(path) == 2}
_BESIDE: Final = {
    "read_beside": "input",
    "written_beside": "input",
    "reasoning_beside": "output",
}


def unpack(attributes: dict[str, Any], names: Iterable[str]) -> None:
    """Add what the JSON texts called `names` say; an attribute that is there stays as it is.

    The texts stay too. One that is no JSON is the value itself where all of it is meant.
    """
    for name in names:
        parsed = _parsed(attributes[name])
        for path, target in FIELDS.get(name, ()):
            value = _at(parsed, path)
            if target == name:
                attributes[name] = value
            elif value not in (None, "") and not (type(value) is int and _whole(value) is None):
                attributes.setdefault(target, value)
        for path in USAGES.get(name, ()):
            details = _at(parsed, path)
            if isinstance(details, dict):
                counts = usage(details)
                for target, count in counts.items():
                    if name in ANSWERS:
                        attributes[target] = count
                    else:
                        attributes.setdefault(target, count)
                break
        if name in SUMMED and isinstance(parsed, dict):
            costs = [x for x in parsed.values() if type(x) in (int, float)]
            if costs:
                attributes.setdefault(SUMMED[name], sum(costs))


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
        semconv.USAGE_CACHE_WRITE: counts.get("written_beside"),
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


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return _loads(value)
    except (ValueError, RecursionError):
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
