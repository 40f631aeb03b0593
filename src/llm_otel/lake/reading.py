"""Reading a lake: DuckDB over the files of the newest version; any number of processes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb
from pyarrow import parquet

from llm_otel.errors import ConfigError
from llm_otel.lake.about import read_about
from llm_otel.lake.delta import Stored
from llm_otel.lake.schema import DAY, TABLES, Table

When = date | datetime | None
T = TypeVar("T")

_READABLE: Final = frozenset({"SELECT", "EXPLAIN", "RELATION"})


class Lake:
    """A lake open for reading. `open()` makes one; each method sees what is stored by then.

    Usable from several threads: every call works on a connection of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        read_about(path)
        self._lock = threading.Lock()
        self._database = duckdb.connect()
        # A file never changes, so what its footer says may be remembered.
        self._database.execute(
            "SET TimeZone = 'UTC'; SET enable_progress_bar = false;"
            "SET GLOBAL parquet_metadata_cache = true"
        )
        _leave_room(self._database)
        self._stored = {name: Stored(path, table) for name, table in TABLES.items()}

    def exclude_damaged(self) -> bool:
        """Read every file, after a query failed; whether one is damaged, which later queries leave
        out."""
        with self._lock:
            return sum(stored.doubt() for stored in self._stored.values()) > 0

    def connection(self, since: When = None, until: When = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with a view for each of `llm_otel.lake.schema.TABLES`.

        With `since` or `until` (UTC) the views hold whole days around them and open no other file:
        a query still needs its own condition on the time. The views do not change under a
        connection; a new one sees newer rows.
        """
        first, last = _day(since), _day(until)
        connection = self._database.cursor()
        for name, table in TABLES.items():
            with self._lock:
                files = self._stored[name].files(first, last)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {_view(table, files)}")
        return connection

    def relation(
        self, name: str, since: When = None, until: When = None
    ) -> duckdb.DuckDBPyRelation:
        """The rows of a table from `since` up to and without `until` (UTC; a date is its midnight).

        Raises:
            ConfigError: there is no such table.
        """
        if name not in TABLES:
            raise ConfigError(f"no table {name!r} in the lake: use one of {', '.join(TABLES)}")
        connection = self._database.cursor()
        with self._lock:
            files = self._stored[name].files(_day(since), _day(until))
        relation = connection.sql(_view(TABLES[name], files))
        for sign, when in ((">=", since), ("<", until)):
            if when is not None:
                text = _utc(when).isoformat(sep=" ")
                relation = relation.filter(f"{TABLES[name].time} {sign} TIMESTAMP '{text}'")
        return relation

    def calls(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """The provider calls: `.df()` for pandas, `.pl()` for polars, `.to_arrow_table()`."""
        return self.relation("calls", since, until)

    def spans(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """Every span."""
        return self.relation("spans", since, until)

    def scores(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """The evaluation scores."""
        return self.relation("scores", since, until)

    def outcomes(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """The outcomes."""
        return self.relation("outcomes", since, until)

    def messages(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """What was said, where events captured it; what spans captured is in `spans`."""
        return self.relation("messages", since, until)

    def metrics_hourly(self, since: When = None, until: When = None) -> duckdb.DuckDBPyRelation:
        """What the metrics gained by hour; several rows an hour may exist: always sum."""
        return self.relation("metrics_hourly", since, until)

    def sql(
        self,
        text: str,
        parameters: Any = None,
        since: When = None,
        until: When = None,
    ) -> duckdb.DuckDBPyRelation:
        """The answer to one query over the views; `parameters` fill its `?` or `$name`.

        Raises:
            ConfigError: more than one statement, or one that is no query.
            duckdb.Error: the query is wrong.
        """
        return one_query(self.connection(since, until), text, parameters)


def without_damaged(lake: Lake, query: Callable[[], T]) -> T:
    """The answer of a query; where it meets a damaged file, its answer without that file.

    Raises:
        Exception: Whatever the query raises for another reason.
    """
    try:
        return query()
    except duckdb.Error:
        if not lake.exclude_damaged():
            raise
    return query()


def one_query(
    connection: duckdb.DuckDBPyConnection, text: str, parameters: Any = None
) -> duckdb.DuckDBPyRelation:
    """The answer to a text that a user wrote, or wrote a part of.

    Raises:
        ConfigError: more than one statement, or one that is no query.
        duckdb.Error: the query is wrong.
    """
    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type.name not in _READABLE:
        raise ConfigError("the lake is read-only here: give one SELECT, without a semicolon")
    return connection.sql(text, params=parameters)


def _leave_room(database: duckdb.DuckDBPyConnection) -> None:
    """Take half of the memory that DuckDB would (80 % of what there is): beside a reader there is
    the writer, often within one container's limit."""
    (told,) = database.execute("SELECT current_setting('memory_limit')").fetchall()
    amount, unit = told[0].split()
    database.execute(f"SET memory_limit = '{float(amount) / 2:.3f}{unit}'")


def _view(table: Table, files: list[str]) -> str:
    """Every column of the schema, NULL where a file was written before the column was added."""
    columns = ", ".join(
        f"CAST(NULL AS {_sql_type(field.type)}) AS {field.name}" for field in table.partitioned
    )
    empty = f"SELECT {columns} WHERE false"
    if not files:
        return empty
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    options = f"hive_partitioning = true, hive_types = {{'{DAY}': DATE}}, union_by_name = true"
    # File names and our own schema: nothing that a user typed.
    rows = f"read_parquet([{listed}], {options})"
    # One file with all columns gives them to all. A union keeps DuckDB from taking a condition into
    # the files, which at ten million rows is a tenth of a second a query: for an older lake only.
    if _columns(files[-1]).issuperset(table.schema.names):
        names = ", ".join(f'"{field.name}"' for field in table.partitioned)
        return f"SELECT {names} FROM {rows}"  # noqa: S608
    return f"{empty} UNION ALL BY NAME SELECT * FROM {rows}"  # noqa: S608


@functools.lru_cache(maxsize=256)
def _columns(file: str) -> frozenset[str]:
    return frozenset(parquet.read_schema(file).names)


_SQL_TYPES: Final = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp[us]": "TIMESTAMP",
    "date32[day]": "DATE",
    "list<item: string>": "VARCHAR[]",
    "list<item: double>": "DOUBLE[]",
    "list<item: int64>": "BIGINT[]",
    "map<string, string>": "MAP(VARCHAR, VARCHAR)",
}


def _sql_type(arrow: object) -> str:
    return _SQL_TYPES[str(arrow)]


def _utc(when: date) -> datetime:
    """`when` as a time without a zone, in UTC."""
    if not isinstance(when, datetime):
        return datetime(when.year, when.month, when.day)
    if when.tzinfo is None:
        return when
    return when.astimezone(timezone.utc).replace(tzinfo=None)


def _day(when: When) -> date | None:
    return None if when is None else _utc(when).date()
