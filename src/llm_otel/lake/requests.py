"""The view `calls`: each request to a provider once, whatever was sent about it.

What `lake.nesting` and `lake.metering` find about a day is kept until the files of that day change:
a page asks for it again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel.lake import views
from llm_otel.lake.delta import Stored
from llm_otel.lake.metering import UNMETERED
from llm_otel.lake.nesting import Nested, Nesting
from llm_otel.lake.schema import CALLS, METRICS, SPANS

_DAY: Final = timedelta(days=1)

# The rows of the days with nested calls. What a row of one day took over does not count either
# where the next day's rows show it to be above another.
_COUNTED: Final = """
    SELECT * FROM ({rows}) ANTI JOIN _nested_without USING (trace_id, span_id)
    UNION ALL BY NAME
    SELECT * FROM _nested_instead i WHERE NOT EXISTS (
        SELECT 1 FROM _nested_without w
        WHERE w.trace_id = i.trace_id AND w.span_id = i.span_id AND w.found_on > i.day
    )
"""

Files = list[str]


class Requests:
    """What was found out about the days of a lake; not for several threads at once.

    Args:
        database: Where to work.
        calls, spans, metrics: The tables.
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        calls: Stored,
        spans: Stored,
        metrics: Stored,
    ) -> None:
        self._database = database
        self._tables = (calls, spans)
        self._metrics = metrics
        self._nesting = Nesting(database)
        self._unmetered: dict[date, tuple[Files, pa.Table]] = {}

    def put_view(
        self, connection: duckdb.DuckDBPyConnection, first: date | None, last: date | None
    ) -> None:
        """Put the view `calls` of the days from `first` to `last` on a connection."""
        calls, spans = (stored.files_by_day() for stored in self._tables)
        days = [
            day
            for day in calls
            if (first is None or day >= first) and (last is None or day <= last)
        ]
        nested = self._nested(days, calls, spans)
        changed = {day for each in nested for day in (each, each - _DAY)}
        plain = [file for day in days if day not in changed for file in calls[day]]
        text = views.rows(CALLS, plain)
        if nested:
            others = [file for day in days if day in changed for file in calls[day]]
            counted = _COUNTED.format(rows=views.rows(CALLS, others))
            listed = ", ".join(f"DATE '{day}'" for day in days)
            text += f" UNION ALL BY NAME {counted} AND i.day IN ({listed})"
            _register(connection, nested)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW calls AS {text}")

    def unmetered(self, first: date | None, last: date | None) -> pa.Table:
        """The rows of `lake.metering.UNMETERED` of some days."""
        files = [stored.files_by_day() for stored in (*self._tables, self._metrics)]
        days = [
            day
            for day in files[0]
            if (first is None or day >= first) and (last is None or day <= last)
        ]
        parts = [self._unmetered_of(day, files) for day in days or [date.max]]
        return pa.concat_tables(parts)

    def _unmetered_of(self, day: date, files: list[dict[date, Files]]) -> pa.Table:
        """Of one day: what the calls and metrics of the days beside it say matters, too."""
        around = [day] if day == date.max else [day - _DAY, day, day + _DAY]
        state = [file for each in around for table in files for file in table.get(each, ())]
        kept = self._unmetered.get(day)
        if kept is None or kept[0] != state:
            cursor = self._database.cursor()
            self.put_view(cursor, day, day)
            metrics = [file for each in around for file in files[2].get(each, ())]
            text = views.rows(METRICS, metrics)
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW metrics_hourly AS {text}")
            kept = self._unmetered[day] = (state, cursor.sql(UNMETERED).to_arrow_table())
        return kept[1]

    def _nested(
        self, days: list[date], calls: Mapping[date, Files], spans: Mapping[date, Files]
    ) -> dict[date, Nested]:
        """What is nested among the calls of some days, by the day of the calls below."""
        nested = {}
        below = {*days, *(day + _DAY for day in days)}
        for day in sorted(below & calls.keys()):
            around = (day - _DAY, day)
            found = self._nesting.of(
                day,
                {each: views.rows(CALLS, calls[each]) for each in around if each in calls},
                {each: views.rows(SPANS, spans[each]) for each in around if each in spans},
                (file for each in around for rows in (calls, spans) for file in rows.get(each, ())),
            )
            if found is not None:
                nested[day] = found
        return nested


def _register(connection: duckdb.DuckDBPyConnection, nested: Mapping[date, Nested]) -> None:
    without = [
        found.without.append_column("found_on", pa.array([day] * len(found.without), pa.date32()))
        for day, found in nested.items()
    ]
    connection.register("_nested_without", pa.concat_tables(without))
    connection.register(
        "_nested_instead", pa.concat_tables([found.instead for found in nested.values()])
    )
