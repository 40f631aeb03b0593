"""Reading a lake: DuckDB over the files of the newest version; any number of processes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb

from llm_otel.errors import ConfigError
from llm_otel.lake import views
from llm_otel.lake.daily import Files, within
from llm_otel.lake.delta import TableStore
from llm_otel.lake.manifest import read_manifest
from llm_otel.lake.metering import Metering, Unmetered
from llm_otel.lake.requests import Requests
from llm_otel.lake.schema import CALLS, OUTCOMES, SCORES, TABLES
from llm_otel.lake.verdicts import Verdicts

When = date | datetime | None
T = TypeVar("T")

_READABLE: Final = frozenset({"SELECT", "RELATION"})
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)


class Connection:
    """A DuckDB connection whose views are the newest rows in every query.

    Everything else is `duckdb.DuckDBPyConnection`'s own. What returns a connection there returns
    this one. A result of `execute` that is not read to its end is replaced by the next `execute`;
    whatever else asks raises `duckdb.ResourceInUseException` until it is read.
    """

    def __init__(
        self,
        own: duckdb.DuckDBPyConnection,
        put_views: Callable[[duckdb.DuckDBPyConnection, Files | None], Files],
    ) -> None:
        self._own = own
        self._put_views = put_views
        self._seen: Files | None = None
        self._see()

    def cursor(self) -> Connection:
        """Another connection with views of its own."""
        return Connection(self._own.cursor(), self._put_views)

    def __getattr__(self, name: str) -> Any:
        if name in _ASKING:
            if name not in _REPLACING:
                # The views are put by `execute`, which would end an unread result in silence.
                self._own.sql("SELECT 1").fetchall()
            self._see()
        if name == "rollback":
            self._seen = None  # the views may have been put since `begin`
        own = getattr(self._own, name)
        return partial(self._chained, own) if callable(own) else own

    def _chained(self, _own: Callable[..., Any], *_arguments: Any, **_options: Any) -> Any:
        """Call a method of DuckDB's connection; itself where that returns its own.

        DuckDB looks for data frames among the names of all callers: here are none to mistake.
        """
        _answer = _own(*_arguments, **_options)
        return self if _answer is self._own else _answer

    def _see(self) -> None:
        """Have the views show what is stored now."""
        self._seen = self._put_views(self._own, self._seen)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *failure: object) -> None:
        self._own.close()


# Errors that no damaged file causes.
_OF_THE_QUERY: Final = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.PermissionException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)

_REPLACING: Final = frozenset({"execute", "executemany"})
# What asks.
_ASKING: Final = frozenset({*_REPLACING, "sql", "query", "from_query", "table", "view"})


class Lake:
    """A lake open for reading. `open()` makes one; each method sees what is stored by then.

    Usable from several threads: every call works on a connection of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        read_manifest(path)
        self._lock = threading.Lock()
        self._closed = _database()
        _shut(self._closed, self.path)
        self._opened: duckdb.DuckDBPyConnection | None = None
        self._stores = {name: TableStore(self.path, table) for name, table in TABLES.items()}
        self._requests = Requests(self._closed, self.path)
        self._metering = Metering(self._closed, self._requests, self.path)
        self._verdicts = Verdicts(self._closed, self._requests, self.path)

    def damaged(self) -> int:
        """Files that are known to be damaged, which every query leaves out."""
        with self._lock:
            return sum(map(len, (store.damaged_files() for store in self._stores.values())))

    def exclude_damaged(self, error: Exception | None = None) -> bool:
        """Read every file, after a query failed; whether one is damaged, which later queries leave
        out.

        Args:
            error: How the query failed: some errors are of no file, and nothing is read.
        """
        if isinstance(error, _OF_THE_QUERY):
            return False
        with self._lock:
            return self._doubt()

    def version(self) -> int:
        """A number that stays the same as long as the same files are read: what was read of the
        lake before is still true then."""
        with self._lock:
            return hash(repr(self._files()))

    def connection(self, since: When = None, until: When = None) -> Connection:
        """A DuckDB connection with a view for each of `llm_otel.lake.schema.TABLES`.

        With `since` or `until` (UTC) the views hold whole days around them and open no other file:
        a query still needs its own condition on the time. Every query sees what is stored when it
        is asked. It may also read other files, and join with them.
        """
        return Connection(
            self._open().cursor(),
            lambda own, previous: self._put_views(own, since, until, previous),
        )

    def snapshot(self, since: When = None, until: When = None) -> duckdb.DuckDBPyConnection:
        """As `connection`, but all queries see what is stored now, and none can read or write
        another file."""
        connection = self._closed.cursor()
        self._put_views(connection, since, until)
        return connection

    def _for_query(
        self, database: duckdb.DuckDBPyConnection, text: str, since: When, until: When
    ) -> duckdb.DuckDBPyConnection:
        """A connection with the views that a query names: some take a look into many files."""
        connection = database.cursor()
        try:
            names = connection.get_table_names(text) & TABLES.keys()
        except duckdb.Error:
            names = set()
        self._put_views(connection, since, until, names=names or TABLES.keys())
        return connection

    def unmetered(self, since: When = None, until: When = None) -> Unmetered:
        """Who sent calls that no metrics count, in the days around a window."""
        with self._lock:
            return self._metering.unmetered(self._files(), _day(since), _day(until))

    def settle(self, last: date, grace_s: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Write down, for all who read, how the calls of the days up to `last` count and of which
        calls verdicts are; for the process that writes the lake.

        Args:
            last: A day that is over.
            grace_s: Seconds until what is of no use goes, and until a changed day is written again.
            stop: Whether to go on another time.
        """
        with self._lock:
            files = self._files()
            try:
                for part in (self._requests, self._metering, self._verdicts):
                    part.settle(files, last, stop, every_s=grace_s)
            finally:
                self._requests.clean(files, grace_s)

    def _put_views(
        self,
        connection: duckdb.DuckDBPyConnection,
        since: When,
        until: When,
        previous: Files | None = None,
        names: Collection[str] = TABLES.keys(),
    ) -> Files:
        """Put the views of these names on a connection, unless it has those of the same files
        (`previous`)."""
        first, last = _day(since), _day(until)
        with self._lock:
            files = self._files()
            if files == previous:
                return files
            try:
                self._put_readable(connection, files, first, last, names)
            except duckdb.Error as error:
                # a file may be damaged where it does not show from outside
                if isinstance(error, _OF_THE_QUERY) or not self._doubt():
                    raise
                files = self._files()
                self._put_readable(connection, files, first, last, names)
        for name, table in TABLES.items():
            if name in names and table not in (CALLS, SCORES, OUTCOMES):
                days = within(files[name], first, last)
                text = views.rows(table, [file for day in days for file in files[name][day]])
                connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {text}")
        return files

    def _put_readable(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Files,
        first: date | None,
        last: date | None,
        names: Collection[str],
    ) -> None:
        """Put the views that need a look into the files."""
        if CALLS.name in names:
            self._requests.put_view(connection, files, first, last)
        for table in (SCORES, OUTCOMES):
            if table.name in names:
                self._verdicts.put_view(connection, table, files, first, last)

    def _doubt(self) -> bool:
        """Read every file; whether one is damaged, which is left out from now on."""
        damaged = sum(store.doubt() for store in self._stores.values())
        return self._requests.doubt() or damaged > 0

    def _files(self) -> Files:
        return {name: store.files_by_day() for name, store in self._stores.items()}

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The database that may read other files, for programs."""
        with self._lock:
            if self._opened is None:
                self._opened = _database()
                # A query finds the data frames of whoever asks, behind `Connection`, too.
                self._opened.execute("SET GLOBAL python_scan_all_frames = true")
            return self._opened

    def relation(
        self, name: str, since: When = None, until: When = None
    ) -> duckdb.DuckDBPyRelation:
        """The rows of a table from `since` up to and without `until` (UTC; a date is its midnight).

        Raises:
            ConfigError: there is no such table.
        """
        if name not in TABLES:
            raise ConfigError(f"no table {name!r} in the lake: use one of {', '.join(TABLES)}")
        relation = self._for_query(self._closed, f"FROM {name}", since, until).table(name)
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
        *,
        files: bool = False,
    ) -> duckdb.DuckDBPyRelation:
        """The answer to one query over the views; `parameters` fill its `?` or `$name`.

        Args:
            text: A SELECT, or EXPLAIN of one.
            parameters: What is bound.
            since, until: As of `connection`.
            files: Let the query read files outside the lake, too (`read_csv`, …).

        Raises:
            ConfigError: more than one statement, or one that is no query.
            duckdb.Error: the query is wrong, or reads what it may not.
        """
        database = self._open() if files else self._closed
        return one_query(self._for_query(database, text, since, until), text, parameters)


def without_damaged(lake: Lake, query: Callable[[], T]) -> T:
    """The answer of a query; where it meets a damaged file, its answer without that file.

    Raises:
        Exception: Whatever the query raises for another reason.
    """
    try:
        return query()
    except duckdb.Error as error:
        if not lake.exclude_damaged(error):
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
    if not _is_query(connection, text):
        raise ConfigError("the lake is read-only here: give one SELECT, without a semicolon")
    return connection.sql(text, params=parameters)


def _is_query(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        return False
    if statements[0].type.name in _READABLE:
        return True
    # EXPLAIN ANALYZE runs what it explains.
    explained = _EXPLAIN.match(text)
    return explained is not None and _is_query(connection, text[explained.end() :])


def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    # A file never changes, so what its footer says may be remembered.
    database.execute(
        "SET TimeZone = 'UTC'; SET enable_progress_bar = false;"
        "SET GLOBAL parquet_metadata_cache = true"
    )
    _leave_room(database)
    return database


def _shut(database: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Let nothing be read or written outside the lake, whatever a query says."""
    quoted = str(path).replace("'", "''")
    database.execute(
        f"SET allowed_directories = ['{quoted}']; SET enable_external_access = false;"
        "SET lock_configuration = true"
    )


def _leave_room(database: duckdb.DuckDBPyConnection) -> None:
    """Take half of the memory that DuckDB would (80 % of what there is): beside a reader there is
    the writer, often within one container's limit."""
    (setting,) = database.execute("SELECT current_setting('memory_limit')").fetchall()
    amount, unit = setting[0].split()
    database.execute(f"SET memory_limit = '{float(amount) / 2:.3f}{unit}'")


def _utc(when: date) -> datetime:
    """`when` as a time without a zone, in UTC."""
    if not isinstance(when, datetime):
        return datetime(when.year, when.month, when.day)
    if when.tzinfo is None:
        return when
    return when.astimezone(timezone.utc).replace(tzinfo=None)


def _day(when: When) -> date | None:
    return None if when is None else _utc(when).date()
