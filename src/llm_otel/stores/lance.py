"""LanceDB's searches: the functions that run a query, as building one does nothing.

Every way to get the results as one (`to_list`, `to_pandas`, `to_polars`, …) goes through
`to_arrow`. What a builder was told is private there, and left out where it is not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakSet

from llm_otel.stores.spec import Matches, Question, Search

_MODULE = "lancedb.query"

# A result's column of scores, the first that it has, and whether they are distances.
_COLUMNS = (("_relevance_score", False), ("_distance", True), ("_score", False))

# Of the asynchronous classes, which share one function, those that search.
_ASYNC = frozenset({"AsyncVectorQuery", "AsyncFTSQuery", "AsyncHybridQuery"})

# Hybrid queries: they run their two parts in threads that have no context of theirs.
_hybrids: WeakSet[Any] = WeakSet()


def _question(builder: Any, _: Mapping[str, Any]) -> Question | None:
    if _is_part(builder):
        return None
    query, text = _get(builder, "_query"), _get(builder, "_str_query")
    text = query if isinstance(query, str) else text
    return Question(
        _name(builder), _get(builder, "_limit"), text if isinstance(text, str) else None
    )


def _is_part(builder: Any) -> bool:
    parts = ("_fts_query", "_vector_query")
    return any(_get(hybrid, name) is builder for hybrid in list(_hybrids) for name in parts)


def _hybrid_question(builder: Any, arguments: Mapping[str, Any]) -> Question | None:
    _hybrids.add(builder)
    return _question(builder, arguments)


def _async_question(query: Any, _: Mapping[str, Any]) -> Question | None:
    # The limit is in the native part; to ask that for it makes some kinds of query panic.
    return Question(_name(query)) if type(query).__name__ in _ASYNC else None


def _get(value: Any, name: str) -> Any:
    return getattr(value, name, None)


def _name(query: Any) -> str | None:
    name = _get(_get(query, "_table"), "name")
    return name if isinstance(name, str) else None


def _matches(table: Any) -> Matches:
    rows, names = table.num_rows, table.column_names
    scores: dict[bool, list[Any]] = {False: [], True: []}
    for name, is_distance in _COLUMNS:
        if name in names:
            scores[is_distance] = table.column(name).to_pylist()
            break

    def documents() -> list[Any]:
        vectors = [name for name in names if "list" in str(table.schema.field(name).type)]
        records: list[Any] = table.drop_columns(vectors).to_pylist()
        return records

    return Matches(rows, scores[False], scores[True], documents)


SEARCHES: Final = (
    Search(_MODULE, "LanceVectorQueryBuilder.to_arrow", _question, _matches),
    Search(_MODULE, "LanceFtsQueryBuilder.to_arrow", _question, _matches),
    Search(_MODULE, "LanceHybridQueryBuilder.to_arrow", _hybrid_question, _matches),
    Search(_MODULE, "AsyncQueryBase.to_arrow", _async_question, _matches, True),
)
