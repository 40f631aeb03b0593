"""Which calls the metrics count already: a call counts by its metrics or by its span, never both.

Spans may be sampled and metrics are not, so metrics win where they hold the call. Whether they do
is decided by the process that told of it: a process that exports durations of a model does so for
each of its calls of that model. Where the process is not known, the hour decides: the metrics of
the service for the provider and model, in the hour in which the call ended or was exported.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Final

import duckdb
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake import views
from llm_otel.lake.daily import DAY, Daily, Files, within
from llm_otel.lake.requests import Requests
from llm_otel.lake.schema import CALLS, METRICS, SPANS

# After its end a call is in the metrics of its process as soon as these are exported.
_EXPORTED_S: Final = 300

# The hour in which a call ends; none takes longer than a day.
_SECONDS: Final = "least(coalesce(duration_s, 0), 86400)"
_END: Final = f"date_trunc('hour', time + to_microseconds(({_SECONDS} * 1e6)::BIGINT))"
# The hours in whose metrics a call can be, by name: SQL for the columns of `calls`.
HOURS: Final = {
    "hour": _END,
    "next_hour": _END.replace(_SECONDS, f"({_SECONDS} + {_EXPORTED_S})"),
}

# Columns of `calls`: what tells one who sends them from another.
SENDER: Final = ("day", "service_name", "instance", "provider", "model", "response_model", "scope")

# Who sent calls, and the hours.
_SENDERS: Final = f"""
    SELECT DISTINCT {", ".join(SENDER)}, coalesce(scope = '{semconv.SCOPE}', false) AS own,
        {", ".join(f"{text} AS {name}" for name, text in HOURS.items())}
    FROM calls
"""

# Beyond their caps the labels of a process are these words.
_LABELLED: Final = f"""
    SELECT n, service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider, own, hour,
        next_hour, unnest([coalesce(model, '{semconv.NONE}'), coalesce(response_model, model),
            '{semconv.OTHER}']) AS label
    FROM numbered
"""
_METERED: Final = f"""
    SELECT DISTINCT service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider,
        coalesce(model, '{semconv.NONE}') AS label, hour,
        metric = '{semconv.REQUEST_DURATION.name}' AS durations
    FROM metrics_hourly WHERE metric IN ('{semconv.REQUEST_DURATION.name}',
        '{semconv.COST.name}', '{semconv.TOKENS_CONSUMED.name}')
"""
# Senders of the view `calls` whose requests the view `metrics_hourly` does not count; `paid`: their
# tokens and their cost it does, as of coding agents, which have no metric for requests.
#
# A label that is missing excludes nothing. Another instrumentation may name the provider otherwise
# than we do, so that within one process the model alone decides about its spans.
UNMETERED: Final = f"""
    WITH numbered AS (SELECT *, row_number() OVER () AS n FROM ({_SENDERS})),
    labelled AS ({_LABELLED}),
    metered AS ({_METERED}),
    processes AS (SELECT DISTINCT service_name, instance, provider, label, durations FROM metered),
    told AS (
        SELECT n, durations FROM labelled l
        JOIN processes m ON m.instance = l.instance AND m.label = l.label
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR NOT l.own)
        UNION
        SELECT n, durations FROM labelled l JOIN metered m ON m.label = l.label
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR l.provider = '{semconv.NONE}')
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND m.hour IN (l.hour, l.next_hour)
        WHERE l.instance IS NULL OR m.instance IS NULL
    )
    SELECT * EXCLUDE (n), n IN (SELECT n FROM told) AS paid FROM numbered
    ANTI JOIN (SELECT n FROM told WHERE durations) USING (n)
"""


class Metering:
    """Finds the senders of which there are no metrics; not for several threads at once.

    Args:
        database: Where to work.
        requests: Makes the view `calls`.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, requests: Requests) -> None:
        self._database = database
        self._requests = requests
        self._found: Daily[pa.Table] = Daily(CALLS.name, SPANS.name, METRICS.name)

    def unmetered(self, files: Files, first: date | None, last: date | None) -> pa.Table:
        """The rows of `UNMETERED` of the days from `first` to `last`."""
        tables = [
            self._found.of(files, day, _around(day), partial(self._find, files, day))
            for day in within(files[CALLS.name], first, last)
        ]
        return pa.concat_tables(tables) if tables else self._find(files, date.min)

    def _find(self, files: Files, day: date) -> pa.Table:
        """What the calls and metrics of the days beside it say matters for a day, too."""
        cursor = self._database.cursor()
        self._requests.put_view(cursor, files, day, day)
        around = () if day == date.min else _around(day)
        metrics = [file for each in around for file in files[METRICS.name].get(each, ())]
        text = views.rows(METRICS, metrics)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW metrics_hourly AS {text}")
        return cursor.sql(UNMETERED).to_arrow_table()


def _around(day: date) -> tuple[date, ...]:
    return (day - DAY, day, day + DAY)
