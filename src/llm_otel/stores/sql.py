"""Searches in SQL: which statement is one of pgvector's, in which table, and how many it wants."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from llm_otel.stores.spec import Question

# pgvector's distances; PostGIS and trigrams have operators of the same signs.
_OPERATOR = re.compile(r"<->|<=>|<#>|<\+>")
_VECTOR = re.compile(r"::\s*\"?(?:half|sparse)?vec(?:tor)?\b|'\s*\[[-\d.,eE\s]*\]\s*'", re.I)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_FIRST_WORD = re.compile(r"\s*(?:\(\s*)*(select|with)\b", re.I)
_TABLE = re.compile(r"\b(?:from|join)\s+(?:only\s+)?([\w\".$]+)(?!\s*\()", re.I)
_COMMON = re.compile(
    r"\b(?:with|,)\s+(?:recursive\s+)?(\w+)\s+as\s+(?:not\s+)?(?:materialized\s+)?\(", re.I
)
_LIMIT = re.compile(r"\blimit\s+(\d+|%s|%b|%t|%\((\w+)\)[sbt])", re.I)
_PLACEHOLDER = re.compile(r"%[sbt]|%\(\w+\)[sbt]")


class _Statement(NamedTuple):
    """What a statement says by itself.

    Attributes:
        table: The one that it reads; None for several.
        limit: A number, the name or the position of a parameter; None for no limit.
        has_vector: Whether a vector is written in it.
    """

    table: str | None
    limit: int | str | None
    position: int | None
    has_vector: bool


def question(statement: Any, parameters: Any) -> Question | None:
    """The question in a statement; None for one that is no search by vectors.

    Args:
        statement: As psycopg takes it: a text, bytes, or an object that makes one.
        parameters: Its parameters.
    """
    text = _text(statement)
    if text is None or "<" not in text or _OPERATOR.search(text) is None:
        return None
    parts = _statement(text)
    if parts is None:
        return None
    if not parts.has_vector and not any(map(_is_vector, _values(parameters))):
        return None
    return Question(parts.table, _limit(parts, parameters))


def _text(statement: Any) -> str | None:
    if isinstance(statement, str):
        return statement
    if isinstance(statement, bytes):
        return statement.decode("utf-8", "replace") if b"<" in statement else None
    # To make the text of one takes longer than many a statement: where there may be vectors.
    if "pgvector" in sys.modules and hasattr(statement, "as_string"):
        return str(statement.as_string(None))
    return None


@lru_cache(maxsize=256)
def _statement(text: str) -> _Statement | None:
    """Resolved once and cached, as a program has few."""
    bare = _TEXT.sub("''", text)
    if _FIRST_WORD.match(bare) is None or _OPERATOR.search(bare) is None:
        return None
    common = {name.lower() for name in _COMMON.findall(bare)}
    tables = {name.replace('"', "") for name in _TABLE.findall(bare)}
    tables = {name for name in tables if name.lower() not in common}
    limits = list(_LIMIT.finditer(bare))
    limit: int | str | None = None
    position: int | None = None
    if len(limits) == 1:
        (match,) = limits
        if match[1].isdecimal():
            limit = int(match[1])
        elif match[2]:
            limit = match[2]
        else:
            position = len(_PLACEHOLDER.findall(bare[: match.start(1)]))
    return _Statement(
        tables.pop() if len(tables) == 1 else None, limit, position, bool(_VECTOR.search(text))
    )


def _limit(statement: _Statement, parameters: Any) -> int | None:
    value: Any = statement.limit
    if isinstance(value, str):
        value = parameters.get(value) if isinstance(parameters, Mapping) else None
    if statement.position is not None and isinstance(parameters, Sequence):
        value = parameters[statement.position] if statement.position < len(parameters) else None
    return value if type(value) is int else None


def _values(parameters: Any) -> tuple[Any, ...]:
    if isinstance(parameters, Mapping):
        return tuple(parameters.values())
    return tuple(parameters) if isinstance(parameters, Sequence) else ()


def _is_vector(value: Any) -> bool:
    """Whether a parameter is a vector: a list of numbers, an array, pgvector's own, or its text."""
    if isinstance(value, str):
        return value.lstrip().startswith("[")
    if isinstance(value, (list, tuple)):
        return bool(value) and isinstance(value[0], (int, float))
    module = type(value).__module__.partition(".")[0]
    return module == "pgvector" or (module == "numpy" and getattr(value, "ndim", 0) == 1)
