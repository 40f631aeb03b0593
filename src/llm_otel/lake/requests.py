"""The view `calls`: each request to a provider once, whatever was sent about it.

What `lake.nesting` finds about a day is kept until the files of that day change, and so is who told
of its calls: a page asks for both again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake import views
from llm_otel.lake.delta import Stored
from llm_otel.lake.nesting import Nested, Nesting
from llm_otel.lake.schema import CALLS, SPANS

_DAY: Final = timedelta(days=1)

# After its end a call is in the metrics of its process as soon as these are exported.
_EXPORTED_S: Final = 300

# The hour in which a call ended; none takes longer than a day.
_SECONDS: Final = "least(coalesce(duration_s, 0), 86400)"
END: Final = f"date_trunc('hour', time + to_microseconds(({_SECONDS} * 1e6)::BIGINT))"

# Who told of the calls of a day: columns of `calls`, whether the instrumentation is ours (`own`),
# and the hours in which the metrics of such a call can be.
SENDER: Final = ("day", "service_name", "instance", "provider", "model", "response_model", "scope")
SENDERS: Final = f"""
    SELECT {", ".join(SENDER)}, coalesce(scope = '{semconv.SCOPE}', false) AS own,
        {END} AS hour, {END.replace(_SECONDS, f"({_SECONDS} + {_EXPORTED_S})")} AS next_hour
    FROM calls
"""

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
        calls, spans: The tables.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, calls: Stored, spans: Stored) -> None:
        self._database = database
        self._tables = (calls, spans)
        self._nesting = Nesting(database)
        self._senders: dict[date, tuple[Files, pa.Table]] = {}

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

    def senders(self, first: date | None, last: date | None) -> pa.Table:
        """The different rows of `SENDERS` of some days."""
        calls, _ = (stored.files_by_day() for stored in self._tables)
        cursor = self._database.cursor()
        days = [
            day
            for day in calls
            if (first is None or day >= first) and (last is None or day <= last)
        ]
        if not days:
            self.put_view(cursor, date.max, date.max)
            return cursor.sql(SENDERS).to_arrow_table()
        return pa.concat_tables([self._senders_of(day, cursor) for day in days])

    def _senders_of(self, day: date, cursor: duckdb.DuckDBPyConnection) -> pa.Table:
        """Of one day, which the calls of the next one may change, too."""
        calls, spans = (stored.files_by_day() for stored in self._tables)
        around = (day - _DAY, day, day + _DAY)
        state = [
            file for each in around for files in (calls, spans) for file in files.get(each, ())
        ]
        kept = self._senders.get(day)
        if kept is None or kept[0] != state:
            self.put_view(cursor, day, day)
            table = cursor.sql(f"SELECT DISTINCT * FROM ({SENDERS})").to_arrow_table()
            kept = self._senders[day] = (state, table)
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
