"""Running the named queries: one connection and one filter for everything a page shows."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from llm_otel.lake.queries.filters import Filter, conditions

Row = TypeVar("Row")

# {calls}: the rows of the filter's window; {calls_before}: those of the window before it.
_SOURCE: Final = re.compile(r"\{(calls|spans|scores|outcomes|metrics_hourly)(_before)?\}")
_PARAMETER: Final = re.compile(r"\$([a-z_][a-z0-9_]*)")
_DAY_S: Final = 86_400


class Connects(Protocol):
    """What of a `Lake` is needed here."""

    def snapshot(self, since: datetime | None = None, until: datetime | None = None) -> Any:
        """A DuckDB connection with a view per table."""
        ...

    def unmetered(self, since: datetime | None = None, until: datetime | None = None) -> Any:
        """Who sent calls that no metrics count, as an Arrow table."""
        ...


class Reader:
    """Answers queries about one `Filter` from one state of the lake.

    A query is a constant text. In it `{calls}` stands for the calls that the filter lets through,
    `{calls_before}` for those of the window before, and so for every table; `$bucket_s` for the
    seconds of a point, and `{moment}` for the column to cut into such. Values are always bound,
    never written into the text.

    Args:
        lake: An open lake.
        asked: Which rows count.
        reach: How far back beyond the window the queries look; None: one more window.
    """

    def __init__(self, lake: Connects, selection: Filter, reach: timedelta | None = None) -> None:
        self.filter = selection
        back = selection.length if reach is None else reach
        self._lake = lake
        self._reach = selection.since - back
        self.connection = lake.snapshot(self._reach, selection.until)

    def rows(self, query: str, kind: type[Row], **values: Any) -> list[Row]:
        """The answer as a list of `kind`, a dataclass whose fields are named as the columns."""
        cursor = self._run(query, values)
        names = [column[0] for column in cursor.description]
        places = [names.index(each.name) for each in dataclasses.fields(kind)]  # type: ignore[arg-type]
        return [kind(*(row[place] for place in places)) for row in cursor.fetchall()]

    def one(self, query: str, kind: type[Row], **values: Any) -> Row:
        """The answer of a query that has exactly one row."""
        return self.rows(query, kind, **values)[0]

    def arrow(self, query: str, **values: Any) -> Any:
        """The answer as an Arrow table."""
        text, used = self._filled(query, values)
        # A relation: the answer to `execute` would be copied.
        return self.connection.sql(text, params=used).to_arrow_table()

    def keep(self, name: str, query: str, **values: Any) -> None:
        """Store an answer as the temporary table `name`, for the queries that come after."""
        self._run(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}", values)

    def put(self, name: str, table: Any) -> None:
        """Offer an Arrow table as the table `name` to the queries that come after."""
        self.connection.register(name, table)

    def unmetered(self) -> Any:
        """Who sent calls that no metrics count, of all that it reaches."""
        return self._lake.unmetered(self._reach, self.filter.until)

    def _run(self, query: str, values: dict[str, Any]) -> Any:
        return self.connection.execute(*self._filled(query, values))

    def _filled(self, query: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The query with its sources, and the values that it binds."""
        bound: dict[str, Any] = {"bucket_s": self.filter.bucket_s, **values}

        def source(match: re.Match[str]) -> str:
            table, before = match.groups()
            selection = self.filter.before if before else self.filter
            where = conditions(selection, table, f"{table}{before or ''}")
            bound.update(where.values)
            parts = (f"SELECT * FROM {table} WHERE {part}" for part in where.parts())  # noqa: S608
            return f"({' UNION ALL '.join(parts)})"  # names and marks only

        # `day` is one value for a whole file, so it is cut once and not for each row.
        moment = "time" if bound["bucket_s"] % _DAY_S else "day::TIMESTAMP"
        text = _SOURCE.sub(source, query).replace("{moment}", moment)
        return text, {name: bound[name] for name in set(_PARAMETER.findall(text))}
