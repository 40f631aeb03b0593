"""The stores, and what their functions that search are arguments and give.

A store's own words are read here and nowhere else. What a lambda cannot find is left out by who
calls it: an exception in a row is one log line, and the program's search goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_otel.stores import lance, sql
from llm_otel.stores.spec import Matches, Question, Search, Store

Arguments = Mapping[str, Any]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _only_text(value: Any) -> str | None:
    """A query that is one text, alone or in a list."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        (value,) = value
    return value if isinstance(value, str) else None


def _flat(lists: Any) -> list[Any]:
    """The values of one list for each query, in one."""
    return [value for each in lists or () for value in each or ()]


def _records(items: Sequence[Any], **fields: str) -> list[dict[str, Any]]:
    """Objects as plain data: a field each of ours, by the name of theirs."""
    return [
        {
            ours: str(value) if ours == "id" else value
            for ours, theirs in fields.items()
            if (value := _field(item, theirs)) is not None
        }
        for item in items
    ]


def _field(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


# ------------------------------------------------------------------ Chroma
def _chroma_question(collection: Any, arguments: Arguments) -> Question:
    return Question(
        collection.name, arguments.get("n_results", 10), _only_text(arguments.get("query_texts"))
    )


def _chroma_matches(result: Any) -> Matches:
    ids, distances = _flat(result["ids"]), _flat(result.get("distances"))

    def documents() -> list[Any]:
        texts, metadata = _flat(result.get("documents")), _flat(result.get("metadatas"))
        return [
            {
                name: column[row]
                for name, column in (
                    ("id", ids),
                    ("distance", distances),
                    ("content", texts),
                    ("metadata", metadata),
                )
                if row < len(column)
            }
            for row in range(len(ids))
        ]

    return Matches(len(ids), distances=distances, documents=documents)


# ------------------------------------------------------------------ Qdrant
def _qdrant_question(_: Any, arguments: Arguments) -> Question:
    query = arguments.get("query")
    return Question(
        arguments.get("collection_name"),
        arguments.get("limit", 10),
        _only_text(_field(query, "text")),
    )


def _qdrant_batch(_: Any, arguments: Arguments) -> Question:
    limits = {_first(_field(each, "limit"), 10) for each in arguments.get("requests") or ()}
    return Question(arguments.get("collection_name"), limits.pop() if len(limits) == 1 else None)


def _of_points(points: Sequence[Any]) -> Matches:
    return Matches(
        len(points),
        scores=[point.score for point in points],
        documents=lambda: _records(points, id="id", score="score", content="payload"),
    )


def _qdrant_matches(response: Any) -> Matches:
    return _of_points(response.points)


def _qdrant_groups(response: Any) -> Matches:
    return _of_points([hit for group in response.groups for hit in group.hits])


def _qdrant_batches(responses: Any) -> Matches:
    return _of_points([point for each in responses for point in each.points])


def _qdrant(module: str, client: str, asynchronous: bool) -> tuple[Search, ...]:
    return (
        Search(
            module,
            f"{client}.query_points",
            _qdrant_question,
            _qdrant_matches,
            asynchronous,
            ("collection_name", "query", "limit"),
        ),
        Search(
            module,
            f"{client}.query_points_groups",
            _qdrant_question,
            _qdrant_groups,
            asynchronous,
            ("collection_name", "query", "limit"),
        ),
        Search(
            module,
            f"{client}.query_batch_points",
            _qdrant_batch,
            _qdrant_batches,
            asynchronous,
            ("collection_name", "requests"),
        ),
    )


# ------------------------------------------------------------------ Pinecone
def _pinecone_index(index: Any) -> str | None:
    """The index's name, which is in its host: `name-project.svc.region.pinecone.io`."""
    host = str(index.host).partition("://")[2] or str(index.host)
    label, _, domain = host.partition(".")
    return label.rpartition("-")[0] or None if domain.endswith("pinecone.io") else None


def _pinecone_question(index: Any, arguments: Arguments) -> Question:
    query, inputs = arguments.get("query") or {}, arguments.get("inputs")
    inputs = _first(inputs, _field(query, "inputs"))
    text = _field(inputs, "text") if inputs is not None else None
    return Question(
        _pinecone_index(index), _first(arguments.get("top_k"), _field(query, "top_k")), text
    )


def _pinecone_matches(response: Any) -> Matches:
    matches = list(response.matches)
    return Matches(
        len(matches),
        scores=[match.score for match in matches],
        documents=lambda: _records(matches, id="id", score="score", metadata="metadata"),
    )


def _pinecone_hits(response: Any) -> Matches:
    hits = list(response.result.hits)
    return Matches(
        len(hits),
        scores=[hit.score for hit in hits],
        documents=lambda: _records(hits, id="id", score="score", content="fields"),
    )


def _pinecone(module: str, index: str, asynchronous: bool, optional: bool) -> tuple[Search, ...]:
    return (
        Search(
            module,
            f"{index}.query",
            _pinecone_question,
            _pinecone_matches,
            asynchronous,
            ("top_k", "vector"),
            optional,
        ),
        Search(
            module,
            f"{index}.search",
            _pinecone_question,
            _pinecone_hits,
            asynchronous,
            ("top_k", "inputs"),
            optional,
        ),
    )


# ------------------------------------------------------------------ Weaviate
def _weaviate_question(queries: Any, arguments: Arguments) -> Question:
    name = _field(queries, "_name")
    return Question(
        name if isinstance(name, str) else None,
        arguments.get("limit"),
        _only_text(arguments.get("query")),
    )


def _weaviate_matches(result: Any) -> Matches:
    objects = list(result.objects)
    metadata = [each.metadata for each in objects]

    def documents() -> list[Any]:
        return _records(objects, id="uuid", content="properties")

    return Matches(
        len(objects),
        scores=[_field(each, "score") for each in metadata],
        distances=[_field(each, "distance") for each in metadata],
        documents=documents,
    )


def _weaviate(method: str, cls: str, parameter: str) -> tuple[Search, ...]:
    module = f"weaviate.collections.queries.{method}.query"
    return tuple(
        Search(
            f"{module}.{kind}",
            f"{cls}{suffix}.{method}",
            _weaviate_question,
            _weaviate_matches,
            asynchronous,
            (parameter, "limit"),
        )
        for kind, suffix, asynchronous in (("sync", "", False), ("async_", "Async", True))
    )


# ------------------------------------------------------------------ Elasticsearch
_BY_VECTORS = frozenset(
    {"knn", "semantic", "sparse_vector", "text_expansion", "script_score", "neural"}
)


def _elastic_question(_: Any, arguments: Arguments) -> Question | None:
    body = arguments.get("body") or {}
    knn, retriever, query = (
        _first(arguments.get(name), _field(body, name)) for name in ("knn", "retriever", "query")
    )
    by_vectors = isinstance(query, Mapping) and not _BY_VECTORS.isdisjoint(query)
    if knn is None and retriever is None and not by_vectors:
        return None  # a search of logs or orders, which is none for a model
    index = arguments.get("index")
    if isinstance(index, (list, tuple)) and len(index) == 1:
        (index,) = index
    limit = _first(arguments.get("size"), _field(body, "size"), _field(knn, "k"), 10)
    return Question(index if isinstance(index, str) else None, limit)


def _elastic_matches(response: Any) -> Matches:
    hits = response["hits"]["hits"]
    return Matches(
        len(hits),
        scores=[hit.get("_score") for hit in hits],
        documents=lambda: _records(hits, id="_id", score="_score", content="_source"),
    )


# ------------------------------------------------------------------ PostgreSQL
def _sql_question(_: Any, arguments: Arguments) -> Question | None:
    return sql.question(arguments.get("query"), arguments.get("params"))


def _sql_matches(cursor: Any) -> Matches:
    # The rows are the program's to read: of these only the number is known.
    return Matches(cursor.rowcount if cursor.rowcount >= 0 else None)


_SQL = ("query", "params")

STORES: Final = (
    Store(
        "chromadb",
        ">=1.5,<2",
        "chroma",
        tuple(
            Search(
                f"chromadb.api.models.{cls}",
                f"{cls}.query",
                _chroma_question,
                _chroma_matches,
                asynchronous,
                ("query_texts", "n_results"),
            )
            for cls, asynchronous in (("Collection", False), ("AsyncCollection", True))
        ),
    ),
    Store(
        "qdrant_client",
        ">=1.20,<2",
        "qdrant",
        (
            *_qdrant("qdrant_client.qdrant_client", "QdrantClient", False),
            *_qdrant("qdrant_client.async_qdrant_client", "AsyncQdrantClient", True),
        ),
    ),
    Store("lancedb", ">=0.40,<1", "lancedb", lance.SEARCHES),
    Store(
        "pinecone",
        ">=10,<11",
        "pinecone",
        (
            *_pinecone("pinecone.index", "Index", False, False),
            *_pinecone("pinecone.async_client.async_index", "AsyncIndex", True, False),
        ),
    ),
    Store(
        "weaviate",
        ">=4.24,<5",
        "weaviate",
        (
            *_weaviate("near_vector", "_NearVectorQuery", "near_vector"),
            *_weaviate("near_text", "_NearTextQuery", "query"),
            *_weaviate("hybrid", "_HybridQuery", "query"),
            *_weaviate("bm25", "_BM25Query", "query"),
        ),
    ),
    Store(
        "elasticsearch",
        ">=9.5,<10",
        "elasticsearch",
        tuple(
            Search(
                f"elasticsearch.{module}.client",
                f"{cls}.search",
                _elastic_question,
                _elastic_matches,
                asynchronous,
                ("index", "knn", "query"),
            )
            for module, cls, asynchronous in (
                ("_sync", "Elasticsearch", False),
                ("_async", "AsyncElasticsearch", True),
            )
        ),
    ),
    Store(
        "psycopg",
        ">=3.3,<4",
        "postgresql",
        (
            Search("psycopg", "Cursor.execute", _sql_question, _sql_matches, False, _SQL),
            Search("psycopg", "AsyncCursor.execute", _sql_question, _sql_matches, True, _SQL),
        ),
    ),
)
