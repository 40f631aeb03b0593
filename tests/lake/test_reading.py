"""An open lake shows what is stored by then, and a query in it touches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import llm_otel.lake
from llm_otel.errors import ConfigError
from llm_otel.lake.maintenance import compact
from llm_otel.lake.reading import Lake
from llm_otel.lake.writer import Writer

NOON = datetime(2026, 11, 20, 12)
COUNT = "SELECT count(*) FROM calls"


def row(number: int) -> dict[str, Any]:
    """One call."""
    return {"time": NOON, "trace_id": f"{number:032x}", "span_id": f"{number:016x}"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake of one call."""
    with Writer(tmp_path / "lake") as writer:
        writer.append(calls=[row(1)])
    return llm_otel.lake.open(tmp_path / "lake")


def test_a_connection_sees_new_rows_and_joined_files(lake: Lake) -> None:
    """It is kept open for days: its files are joined, and the old ones deleted."""
    connection = lake.connection()
    relation = connection.sql(COUNT)
    assert relation.fetchall() == [(1,)]
    with Writer(lake.path) as writer:
        for number in range(2, 20):
            writer.append(calls=[row(number)])
        stored = writer.tables["calls"]
        assert connection.execute(COUNT).fetchall() == [(19,)]
        compact(stored, (NOON + timedelta(days=3)).date())
        stored.clean(0)
        assert len(stored.files()) == 1, stored.files()
        assert connection.execute(COUNT).fetchall() == [(19,)]
        assert connection.cursor().sql("FROM calls").fetchall()[18:]
    with connection:
        assert connection.query(COUNT).fetchall() == [(19,)]


METHODS: dict[str, Callable[[Any], Any]] = {
    "begin": lambda c: c.begin(),
    "commit": lambda c: c.begin().commit(),
    "rollback": lambda c: c.begin().rollback(),
    "execute": lambda c: c.execute("SELECT 1"),
    "executemany": lambda c: c.executemany("SELECT ?", [[1], [2]]),
    "register": lambda c: c.register("prices", pa.table({"price": [1.0]})),
    "unregister": lambda c: c.register("prices", pa.table({"price": [1.0]})).unregister("prices"),
}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_chained_sees_new_rows(lake: Lake, method: str) -> None:
    """Whatever returns the connection returns the one that looks for them."""
    connection = METHODS[method](lake.connection())
    with Writer(lake.path) as writer:
        writer.append(calls=[row(2)])
    assert connection.execute(COUNT).fetchall() == [(2,)]


def test_a_rollback_takes_no_rows_back(lake: Lake) -> None:
    """The views that a transaction saw are put again after it."""
    connection = lake.connection()
    connection.begin()
    with Writer(lake.path) as writer:
        writer.append(calls=[row(2)])
        assert connection.execute(COUNT).fetchall() == [(2,)]
        connection.rollback()
        assert connection.execute(COUNT).fetchall() == [(2,)]


@pytest.mark.parametrize("method", ["sql", "query", "execute"])
def test_a_query_finds_the_data_frames_where_it_is_asked(lake: Lake, method: str) -> None:
    """As with DuckDB's own connection."""
    prices = pa.table({"price": [2.5]})
    for connection in (lake.connection(), lake.connection().cursor()):
        answer = getattr(connection, method)("SELECT price FROM prices, calls").fetchall()
        assert answer == [tuple(row.values()) for row in prices.to_pylist()]


@pytest.mark.parametrize("new", [0, 1], ids=["no new rows", "new rows"])
def test_a_result_that_is_half_read_is_not_cut_off(lake: Lake, new: int) -> None:
    """What would end it says so, whether rows came meanwhile or not; it is read to its end."""
    connection = lake.connection()
    result = connection.execute("SELECT range FROM range(100000), calls")
    assert result.fetchmany(2) == [(0,), (1,)]
    with Writer(lake.path) as writer:
        writer.append(calls=[row(n + 2) for n in range(new)])
    with pytest.raises(duckdb.ResourceInUseException, match="unfinished result"):
        connection.sql(COUNT)
    assert len(result.fetchall()) == 99_998
    assert connection.sql(COUNT).fetchall() == [(1 + new,)]


def test_a_connection_may_read_other_files(lake: Lake, tmp_path: Path) -> None:
    """A program joins with what it has."""
    (tmp_path / "prices.csv").write_text("id,price\n1,2\n")
    text = f"SELECT price FROM read_csv('{tmp_path}/prices.csv'), calls"
    assert lake.connection().sql(text).fetchall() == [(2,)]
    assert lake.sql(text, files=True).fetchall() == [(2,)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT content FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{lake}/out.csv'",
        "EXPLAIN COPY (SELECT 1) TO '{lake}/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/out.csv'",
        "explain (analyze) COPY (SELECT 1) TO '{lake}/out.csv'",
        "EXPLAIN ANALYZE EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/out.csv'",
        "/* x */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/out.csv'",
        "-- x\nEXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/out.csv'",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH '{folder}/other.db'",
        "SET enable_external_access = true",
        "SELECT * FROM query('SELECT content FROM read_text(''/etc/passwd'')')",
        "SELECT 1; SELECT 2",
    ],
)
def test_a_query_reads_and_writes_nothing_outside_the_lake(
    lake: Lake, tmp_path: Path, text: str
) -> None:
    """It is refused, and no file appears."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((duckdb.Error, ConfigError)) as refused:
        lake.sql(text.format(folder=tmp_path, lake=lake.path)).fetchall()
    assert "root:" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "text",
    [COUNT, f"EXPLAIN {COUNT}", f"EXPLAIN ANALYZE {COUNT}", "FROM calls", "DESCRIBE calls",
     "SHOW TABLES", "WITH a AS (SELECT 1) SELECT * FROM a", "SUMMARIZE calls"],
)  # fmt: skip
def test_a_query_is_answered(lake: Lake, text: str) -> None:
    """Whatever only reads."""
    assert lake.sql(text).fetchall()
