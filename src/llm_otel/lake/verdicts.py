"""The views `scores` and `outcomes`: a verdict has the model, feature and tenant of its call.

Whoever judges an answer often knows one thing about it: its id, the trace or the span. The call is
looked for when a query runs, among those of the verdict's day and the week before it.
What several calls of a trace disagree on stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel.lake import views
from llm_otel.lake.daily import DAY, Files, within
from llm_otel.lake.findings import Findings, Tables
from llm_otel.lake.requests import ABOVE, Requests
from llm_otel.lake.schema import CALLS, OUTCOMES, SCORES, SPANS, Table

# How long after its call a verdict may come.
_LATEST: Final = timedelta(days=7)

# What a verdict can tell itself, and else has from its call.
_TAKEN: Final = ("trace_id", "span_id", "response_id", "model", "feature", "tenant_id")

_LACKING: Final = """
    CREATE OR REPLACE TEMP TABLE lacking AS
    SELECT event_id, trace_id, span_id, response_id FROM ({rows})
    WHERE (trace_id IS NOT NULL OR span_id IS NOT NULL OR response_id IS NOT NULL)
        AND (trace_id IS NULL OR span_id IS NULL OR model IS NULL)
"""
# The nearest relation wins: the answer, its span, its trace.
_FOUND: Final = f"""
    WITH named AS (
        SELECT trace_id, span_id, response_id, trace_id AS of_trace, span_id AS of_span FROM calls
        UNION ALL
        SELECT trace_id, span_id, response_id, counted_trace_id, counted_span_id FROM {ABOVE}
    ), related AS (
        SELECT l.event_id, 1 AS distance, c.* FROM lacking l
            JOIN named n ON n.response_id = l.response_id
            JOIN calls c ON c.trace_id = n.of_trace AND c.span_id = n.of_span
        UNION ALL BY NAME
        SELECT l.event_id, 2 AS distance, c.* FROM lacking l JOIN named n
            ON n.span_id = l.span_id AND n.trace_id = coalesce(l.trace_id, n.trace_id)
            JOIN calls c ON c.trace_id = n.of_trace AND c.span_id = n.of_span
        UNION ALL BY NAME
        SELECT l.event_id, 3 AS distance, c.* FROM lacking l
            JOIN calls c ON c.trace_id = l.trace_id
    ), nearest AS (
        SELECT * FROM related QUALIFY distance = min(distance) OVER (PARTITION BY event_id)
    )
    SELECT event_id, min(distance) AS distance, {
    ", ".join(
        f"CASE WHEN min({name}) = max({name}) AND count({name}) = count(*) THEN min({name}) END"
        f" AS {name}"
        for name in _TAKEN
    )
}
    FROM nearest GROUP BY event_id
"""
_WITH_CALLS: Final = """
    SELECT v.* REPLACE (
        {columns}, CASE WHEN f.distance < 3 THEN f.span_id ELSE coalesce(v.span_id, f.span_id) END
            AS span_id
    )
    FROM ({rows}) v LEFT JOIN {found} f ON f.event_id = v.event_id AND f.day = v.day
"""


class Verdicts:
    """Makes the views; not for several threads at once.

    Args:
        database: Where to look for the calls.
        requests: Makes the view `calls`.
        path: The lake's folder, in which the findings about days that are over are.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, requests: Requests, path: Path) -> None:
        self._database = database
        self._requests = requests
        self._findings = {
            table.name: Findings(path, table.name, _around, table.name, CALLS.name, SPANS.name)
            for table in (SCORES, OUTCOMES)
        }

    def put_view(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        files: Files,
        first: date | None,
        last: date | None,
    ) -> None:
        """Put the view of `scores` or `outcomes` of the days from `first` to `last`."""
        days = within(files[table.name], first, last)
        rows_by_day: dict[date, pa.Table] = {}
        for day in days:
            look = partial(self._look, table, files, day)
            for rows in self._findings[table.name].about(files, day, look):
                rows_by_day[day] = rows
        parts = [[f for d in days if (d in rows_by_day) is has for f in files[table.name][d]]
                 for has in (False, True)]  # fmt: skip
        text = views.rows(table, parts[0])
        if rows_by_day:
            name = f"_calls_of_{table.name}"
            tables = [
                rows.append_column("day", pa.array([day] * len(rows), pa.date32()))
                for day, rows in rows_by_day.items()
            ]
            connection.register(name, pa.concat_tables(tables))
            columns = ", ".join(f"coalesce(v.{x}, f.{x}) AS {x}" for x in _TAKEN if x != "span_id")
            more = _WITH_CALLS.format(columns=columns, rows=views.rows(table, parts[1]), found=name)
            text = f"{text} UNION ALL BY NAME {more}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {table.name} AS {text}")

    def settle(
        self, files: Files, last: date, stop: Callable[[], bool], every_s: float = 0.0
    ) -> None:
        """Write the findings about the days up to `last` down: see `Findings.settle`."""
        for table in (SCORES, OUTCOMES):
            days = within(files[table.name], None, last)
            look = partial(self._look, table, files)
            self._findings[table.name].settle(files, days, look, stop, every_s)

    def _look(self, table: Table, files: Files, day: date) -> Tables:
        """What the calls tell of a day's verdicts: one table, none where nothing is lacking or
        found."""
        cursor = self._database.cursor()
        cursor.execute(_LACKING.format(rows=views.rows(table, files[table.name][day])))
        tables = list(self._of_days(cursor, files, day))
        return (pa.concat_tables(tables),) if tables else ()

    def _of_days(
        self, cursor: duckdb.DuckDBPyConnection, files: Files, day: date
    ) -> Iterator[pa.Table]:
        """From the day backwards, until every verdict has its call."""
        for each in (day - n * DAY for n in range(_LATEST.days + 1)):
            if not cursor.execute("SELECT 1 FROM lacking LIMIT 1").fetchall():
                return
            if each not in files[CALLS.name]:
                continue
            self._requests.put_view(cursor, files, each, each)
            matches = cursor.sql(_FOUND).to_arrow_table()
            if len(matches):
                cursor.register("found", matches)
                cursor.execute("DELETE FROM lacking WHERE event_id IN (SELECT event_id FROM found)")
                yield matches


def _around(day: date) -> list[date]:
    """The days in whose files the call of a verdict of a day can be."""
    return [day - _LATEST + n * DAY for n in range(_LATEST.days + 1)]
