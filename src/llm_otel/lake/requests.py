"""The view `calls`: each request to a provider once, whatever was sent about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel.lake import nesting, views
from llm_otel.lake.daily import DAY, Daily, Files, within
from llm_otel.lake.nesting import Nested
from llm_otel.lake.schema import CALLS, SPANS
from llm_otel.lake.settled import Settled

# The view of the calls that do not count, with the ids of those that count for them. It may hold a
# row of a trace that lasts over midnight twice.
ABOVE: Final = "calls_above"
_NONE_ABOVE: Final = (
    "SELECT *, '' AS counted_trace_id, '' AS counted_span_id, 0 AS level "
    f"FROM ({views.rows(CALLS, [])})"
)

# The rows of the days with nested calls. Of what two days say of a row the later one is right: it
# knows the calls on both sides of midnight.
_COUNTED: Final = """
    SELECT * FROM ({rows}) ANTI JOIN _nested_without USING (trace_id, span_id)
    UNION ALL BY NAME
    SELECT * EXCLUDE (found_on) FROM _nested_instead i WHERE NOT EXISTS (
        SELECT 1 FROM _nested_without w
        WHERE w.trace_id = i.trace_id AND w.span_id = i.span_id AND w.found_on > i.found_on
    )
"""


class Requests:
    """Makes the view; not for several threads at once.

    Args:
        database: Where to find out what is nested.
        path: The lake's folder, in which days that are over are written down.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._database = database
        self._nested: Daily[Nested | None] = Daily(CALLS.name, SPANS.name)
        self._settled = Settled(path)

    def put_view(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Files,
        first: date | None,
        last: date | None,
    ) -> None:
        """Put the view `calls` of the days from `first` to `last` on a connection."""
        calls = files[CALLS.name]
        days = within(calls, first, last)
        settled = {day: of for day in days if (of := self._settled.of(files, day)) is not None}
        loose = [day for day in days if day not in settled]
        for day in settled:
            if day - DAY in settled or day - DAY not in calls:
                self._nested.drop(day)
        nested = self._of(files, loose)
        affected = {day for each in nested for day in (each, each - DAY)} & set(loose)
        corrected = {day: [of.calls] for day, of in settled.items() if of.calls}
        plain = [f for d in days if d not in affected for f in corrected.get(d, calls[d])]
        text = views.rows(CALLS, plain)
        if affected:
            others = [file for day in sorted(affected) for file in calls[day]]
            rows = _COUNTED.format(rows=views.rows(CALLS, others))
            dates = ", ".join(f"DATE '{day}'" for day in loose)
            text += f" UNION ALL BY NAME {rows} AND i.day IN ({dates})"
        _put_above(connection, nested, [of.above for of in settled.values() if of.above])
        connection.execute(f"CREATE OR REPLACE TEMP VIEW calls AS {text}")

    def doubt(self) -> bool:
        """Read what is written down whole, after a reader failed; whether some of it is damaged,
        and found out again from now on."""
        return self._settled.doubt()

    def settle(
        self, files: Files, last: date, stop: Callable[[], bool], every_s: float = 0.0
    ) -> None:
        """Write the days up to `last` down, until `stop()`.

        A day is written again `every_s` seconds after it was, however often its files change: each
        time makes files as large as its own.

        Raises:
            Exception: The first failure, after the other days.
        """
        failures = []
        for day in within(files[CALLS.name], None, last):
            if stop():
                break
            if self._settled.of(files, day) is None and self._settled.age_s(day) >= every_s:
                try:
                    self._write(files, day)
                except Exception as error:  # noqa: BLE001 of a damaged file, or of a full disk
                    failures.append(error)
                self._nested.drop(day)
        self._nested.drop(last + DAY)
        if failures:
            raise failures[0]

    def _write(self, files: Files, day: date) -> None:
        cursor = self._database.cursor()
        self.put_view(cursor, files, day, day)
        calls = above = None
        # The next day writes down those of its own.
        of_day = f"FROM {ABOVE} WHERE day <= DATE '{day}'"
        if cursor.execute(f"SELECT 1 {of_day} LIMIT 1").fetchall():
            calls = cursor.sql("SELECT * EXCLUDE (day) FROM calls ORDER BY time").to_arrow_table()
            above = cursor.sql(of_day).to_arrow_table()
        self._settled.write(files, day, calls, above)

    def clean(self, files: Files, grace_s: float) -> None:
        """Delete what was written of files that are gone for `grace_s` seconds."""
        self._settled.clean(files, grace_s)

    def _of(self, files: Files, days: Iterable[date]) -> dict[date, Nested]:
        """What is nested among the calls of some days, by the day of the calls below."""
        below = {each for day in days for each in (day, day + DAY)}
        nested_by_day = {}
        for day in sorted(below & files[CALLS.name].keys()):
            nested = self._nested.of(files, day, (day - DAY, day), partial(self._look, files, day))
            if nested is not None:
                nested_by_day[day] = nested
        return nested_by_day

    def _look(self, files: Files, day: date) -> Nested | None:
        calls, spans = (
            {
                each: views.rows(table, files[table.name][each])
                for each in (day - DAY, day)
                if each in files[table.name]
            }
            for table in (CALLS, SPANS)
        )
        return nesting.find(self._database.cursor(), day, calls, spans)


def _put_above(
    connection: duckdb.DuckDBPyConnection, nested: Mapping[date, Nested], files: Sequence[str]
) -> None:
    """Put the view of the calls above others on a connection, and register what is nested."""
    parts = []
    if nested:
        for name in ("without", "instead"):
            tables = [_found_on(day, getattr(nesting, name)) for day, nesting in nested.items()]
            connection.register(f"_nested_{name}", pa.concat_tables(tables))
        connection.register("_nested_above", pa.concat_tables([x.above for x in nested.values()]))
        parts.append("FROM _nested_above")
    if files:
        paths = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        parts.append(f"FROM read_parquet([{paths}], hive_partitioning = false)")
    text = " UNION ALL BY NAME ".join(parts) or _NONE_ABOVE
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {ABOVE} AS {text}")


def _found_on(day: date, table: pa.Table) -> pa.Table:
    return table.append_column("found_on", pa.array([day] * len(table), pa.date32()))
