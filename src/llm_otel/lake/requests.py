"""The view `calls`: each request to a provider once, whatever was sent about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel.lake import nesting, views
from llm_otel.lake.daily import DAY, Daily, Files, within
from llm_otel.lake.nesting import Nested
from llm_otel.lake.schema import CALLS, SPANS

# The view of the calls that do not count, with the ids of those that count for them.
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
    """

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self._nested: Daily[Nested | None] = Daily(CALLS.name, SPANS.name)

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
        nested = self._of(files, days)
        changed = {day for each in nested for day in (each, each - DAY)}
        plain = [file for day in days if day not in changed for file in calls[day]]
        text = views.rows(CALLS, plain)
        if nested:
            others = [file for day in days if day in changed for file in calls[day]]
            counted = _COUNTED.format(rows=views.rows(CALLS, others))
            listed = ", ".join(f"DATE '{day}'" for day in days)
            text += f" UNION ALL BY NAME {counted} AND i.day IN ({listed})"
            _register(connection, nested)
        else:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {ABOVE} AS {_NONE_ABOVE}")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW calls AS {text}")

    def _of(self, files: Files, days: Iterable[date]) -> dict[date, Nested]:
        """What is nested among the calls of some days, by the day of the calls below."""
        below = {each for day in days for each in (day, day + DAY)}
        found = {}
        for day in sorted(below & files[CALLS.name].keys()):
            nested = self._nested.of(files, day, (day - DAY, day), partial(self._look, files, day))
            if nested is not None:
                found[day] = nested
        return found

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


def _register(connection: duckdb.DuckDBPyConnection, nested: Mapping[date, Nested]) -> None:
    for name in ("without", "instead"):
        tables = [_found_on(day, getattr(found, name)) for day, found in nested.items()]
        connection.register(f"_nested_{name}", pa.concat_tables(tables))
    connection.register("_nested_above", pa.concat_tables([x.above for x in nested.values()]))
    # Both days around midnight have those of its traces.
    distinct = "SELECT DISTINCT * FROM _nested_above"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {ABOVE} AS {distinct}")


def _found_on(day: date, table: pa.Table) -> pa.Table:
    return table.append_column("found_on", pa.array([day] * len(table), pa.date32()))
