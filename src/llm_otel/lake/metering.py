"""Which calls the metrics count already: a call counts by its metrics or by its span, never both.

Spans may be sampled and metrics are not, so metrics win where they hold the call. Whether they do
is decided by the process that told of it: a process that exports durations of a model does so for
each of its calls of that model. Where the process is not known, the hour decides: the metrics of
the service for the provider and model, in the hour in which the call ended or was exported.

An application and its gateway may both have metrics, and then both hold the same requests. Their
spans tell which, so that a share of the application's metrics does not count: of its requests and
of each of its sums, the share that the calls above others have among all spans of the service, day,
model, feature and tenant; of a feature or tenant without spans, as beyond the caps, among all of
the model. It is right of sampled spans, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake import views
from llm_otel.lake.daily import DAY, Files, within
from llm_otel.lake.findings import Findings
from llm_otel.lake.requests import ABOVE, Requests
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
    FROM (SELECT * FROM calls UNION ALL BY NAME SELECT * FROM {ABOVE})
"""

# Beyond their caps the labels of a process are these words.
_LABELLED: Final = f"""
    SELECT n, service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider, own, hour,
        next_hour, unnest([coalesce(model, '{semconv.NONE}'), coalesce(response_model, model),
            CASE WHEN own THEN '{semconv.OTHER}' END]) AS label
    FROM numbered
"""
_METERED: Final = f"""
    SELECT DISTINCT service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider,
        coalesce(model, '{semconv.NONE}') AS label, hour,
        metric = '{semconv.REQUEST_DURATION.name}' AS durations
    FROM metrics_hourly WHERE metric IN ('{semconv.REQUEST_DURATION.name}',
        '{semconv.COST.name}', '{semconv.TOKENS_CONSUMED.name}')
        AND instrument IS DISTINCT FROM 'gauge'
"""
# All who sent calls, with what the view `metrics_hourly` holds of theirs: the requests (`counted`),
# or tokens and cost (`paid`), as of coding agents, which have no metric for requests.
#
# A label that is missing excludes nothing. Another instrumentation may name the provider otherwise
# than we do, so that within one process the model alone decides about its spans. A process counts
# its calls from the first hour on in which it has metrics: a stable name may be of an older one.
_JUDGED: Final = f"""
    CREATE OR REPLACE TEMP TABLE judged AS
    WITH numbered AS (SELECT *, row_number() OVER () AS n FROM ({_SENDERS})),
    labelled AS ({_LABELLED}),
    metered AS ({_METERED}),
    processes AS (
        SELECT service_name, instance, provider, label, durations, min(hour) AS first
        FROM metered GROUP BY ALL
    ),
    known AS (
        SELECT n, durations FROM labelled l
        JOIN processes m ON m.instance = l.instance AND m.label = l.label
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR NOT l.own)
            AND l.next_hour >= m.first
        UNION
        SELECT n, durations FROM labelled l JOIN metered m ON m.label = l.label
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR l.provider = '{semconv.NONE}')
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND m.hour IN (l.hour, l.next_hour)
        WHERE l.instance IS NULL OR m.instance IS NULL
    )
    SELECT * EXCLUDE (n), n IN (SELECT n FROM known WHERE durations) AS counted,
        n IN (SELECT n FROM known) AS paid
    FROM numbered
"""
SAME: Final = " AND ".join(
    f"{text} IS NOT DISTINCT FROM u.{name}"
    for name, text in ({name: f"c.{name}" for name in SENDER} | HOURS).items()
)
# Who sent calls whose requests no metrics count.
UNMETERED: Final = "SELECT * EXCLUDE (counted) FROM judged WHERE NOT counted AND day <= $day"
# Calls that metrics count by a span above them, as an application's above its gateway's.
METERED_ABOVE: Final = f"""
    SELECT DISTINCT counted_trace_id AS trace_id, counted_span_id AS span_id FROM {ABOVE} c
    SEMI JOIN (SELECT * FROM judged WHERE counted) u ON {SAME}
"""


# What the metrics hold of calls, and how the columns of `calls` say it.
MEASURES: Final = {
    "requests": "1",
    "cost_usd": "cost_usd",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
}
# The lowest levels of one process; where it is not known, of the service.
_LOWEST: Final = """
    min(level) FILTER (counted) OVER process,
    min(level) FILTER (counted AND c.instance IS NULL) OVER service,
    CASE WHEN c.instance IS NULL THEN min(level) FILTER (counted) OVER service END
"""
# Calls with those above them, from level 0 up, and which metrics hold each. The lowest that metrics
# count is the request; the money is that of the lowest whose metrics hold it, or of the call's span
# where that counts. What others above these add to their metrics is there twice. Of the spans of
# one process, as a framework's and the SDK's, the metrics hold one: only the lowest is looked at.
_TWICE: Final = (
    f"""
    WITH chain AS (
        SELECT *, trace_id AS counted_trace_id, span_id AS counted_span_id, 0 AS level
        FROM calls SEMI JOIN (SELECT counted_trace_id AS trace_id, counted_span_id AS span_id
            FROM {ABOVE}) USING (trace_id, span_id)
        UNION ALL BY NAME SELECT * FROM {ABOVE}
    ), held AS (
        SELECT c.*, u.hour::DATE AS ended, counted, paid,
            min(level) FILTER (counted) OVER request AS counted_level,
            CASE WHEN coalesce(bool_or(counted AND level > 0) OVER request, false)
                OR bool_or(paid AND level = 0) OVER request
                THEN min(level) FILTER (paid) OVER request ELSE 0 END AS paid_level,
            level > least({{lowest}}) AS counted_below,
            level > least({{lowest_paid}}) AS paid_below
        FROM chain c JOIN judged u ON {{same}}
        WINDOW request AS (PARTITION BY counted_trace_id, counted_span_id),
            service AS (PARTITION BY counted_trace_id, counted_span_id, c.service_name),
            process AS (
                PARTITION BY counted_trace_id, counted_span_id, c.service_name, c.instance
            )
    ), above AS (
        SELECT trace_id, span_id, bool_and(counted AND level > counted_level) AS counted_twice,
            bool_and(paid AND level > paid_level) AS paid_twice,
            bool_and(counted_below) AS counted_below, bool_and(paid_below) AS paid_below
        FROM held WHERE level > 0 GROUP BY ALL
    ), sent AS (
        SELECT c.* REPLACE (r.feature AS feature, r.tenant_id AS tenant_id),
            u.hour::DATE AS ended, u.counted AND NOT coalesce(counted_below, false) AS counted,
            u.paid AND NOT coalesce(paid_below, false) AS paid,
            u.counted AND coalesce(counted_twice AND NOT counted_below, false) AS counted_twice,
            u.paid AND coalesce(paid_twice AND NOT paid_below, false) AS paid_twice
        FROM (FROM calls UNION ALL BY NAME
            SELECT DISTINCT ON (trace_id, span_id) * FROM {ABOVE}) c
        JOIN judged u ON {{same}} LEFT JOIN above a
            ON a.trace_id = c.trace_id AND a.span_id = c.span_id
        LEFT JOIN as_sent r ON r.trace_id = c.trace_id AND r.span_id = c.span_id
    )
    SELECT ended AS day, service_name, coalesce(model, '{semconv.NONE}') AS model,
        feature, tenant_id, grouping(feature) = 0 AS labelled,
        coalesce(count(*) FILTER (counted_twice) / nullif(count(*) FILTER (counted), 0), 0)
            AS requests,
        {{shares}}
    FROM sent WHERE ended = $day
    GROUP BY GROUPING SETS ((ended, service_name, coalesce(model, '{semconv.NONE}')),
        (ended, service_name, coalesce(model, '{semconv.NONE}'), feature, tenant_id))
    QUALIFY bool_or(bool_or(counted_twice OR paid_twice)) OVER (
        PARTITION BY service_name, coalesce(model, '{semconv.NONE}'))
""".replace("{same}", SAME)
    .replace("{lowest}", _LOWEST)
    .replace("{lowest_paid}", _LOWEST.replace("counted", "paid"))
    .replace(
        "{shares}",
        ", ".join(
            f"coalesce(sum({column}) FILTER (paid_twice) / nullif(sum({column}) FILTER (paid), 0), "
            f"count(*) FILTER (paid_twice) / nullif(count(*) FILTER (paid), 0), 0) AS {name}"
            for name, column in MEASURES.items()
            if name != "requests"
        ),
    )
)
# The labels that the metrics have: a call may have taken over others from one above it.
_AS_SENT: Final = """
    CREATE OR REPLACE TEMP VIEW as_sent AS
    SELECT trace_id, span_id, any_value(feature) AS feature, any_value(tenant_id) AS tenant_id
    FROM ({calls}) GROUP BY ALL
"""
# Only metrics of calls above others can hold what others hold.
_ANY_TWICE: Final = (
    f"SELECT 1 FROM {ABOVE} c SEMI JOIN (FROM judged WHERE paid) u ON {SAME} LIMIT 1"
)
_NOTHING_TWICE: Final = pa.schema(
    [
        ("day", pa.date32()),
        ("service_name", pa.string()),
        ("model", pa.string()),
        ("feature", pa.string()),
        ("tenant_id", pa.string()),
        ("labelled", pa.bool_()),
        *((name, pa.float64()) for name in MEASURES),
    ]
).empty_table()


class Unmetered(NamedTuple):
    """What is to be added to the metrics, and what not to be counted of them.

    Attributes:
        senders: The rows of `UNMETERED`.
        above: The rows of `METERED_ABOVE`.
        twice: By day, service and label of the model the share of each of `MEASURES` that the
            metrics of calls below hold, too; and by feature and tenant, where `labelled`.
    """

    senders: pa.Table
    above: pa.Table
    twice: pa.Table


class Metering:
    """Finds which calls the metrics hold not at all, or twice; not for several threads at once.

    Args:
        database: Where to work.
        requests: Makes the view `calls`.
        path: The lake's folder, in which the findings about days that are over are.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, requests: Requests, path: Path) -> None:
        self._database = database
        self._requests = requests
        tables = (CALLS.name, SPANS.name, METRICS.name)
        self._findings = Findings(path, "metering", _around, *tables)

    def unmetered(self, files: Files, first: date | None, last: date | None) -> Unmetered:
        """Of the days from `first` to `last`."""
        days = [
            self._findings.about(files, day, partial(self._find, files, day))
            for day in within(files[CALLS.name], first, last)
        ]
        days = days or [self._find(files, date.min)]
        return Unmetered(*map(pa.concat_tables, zip(*days)))

    def settle(
        self, files: Files, last: date, stop: Callable[[], bool], every_s: float = 0.0
    ) -> None:
        """Write the findings about the days up to `last` down: see `Findings.settle`."""
        days = within(files[CALLS.name], None, last)
        self._findings.settle(files, days, partial(self._find, files), stop, every_s)

    def _find(self, files: Files, day: date) -> Unmetered:
        """What the calls and metrics of the days beside it say matters for a day, too."""
        cursor = self._database.cursor()
        self._requests.put_view(cursor, files, day, day)
        around = () if day == date.min else _around(day)
        metrics = [file for each in around for file in files[METRICS.name].get(each, ())]
        text = views.rows(METRICS, metrics)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW metrics_hourly AS {text}")
        cursor.execute(_JUDGED)
        # Calls above others may be of the next day, of which not all metrics are here.
        senders = cursor.sql(UNMETERED, params={"day": day}).to_arrow_table()
        above = cursor.sql(METERED_ABOVE).to_arrow_table()
        twice = _NOTHING_TWICE
        if cursor.execute(_ANY_TWICE).fetchall():
            # Those that ended on the day may have begun on the one before.
            self._requests.put_view(cursor, files, day - DAY, day)
            cursor.execute(_JUDGED)
            call_files = [
                file for each in (day - DAY, day) for file in files[CALLS.name].get(each, ())
            ]
            cursor.execute(_AS_SENT.replace("{calls}", views.rows(CALLS, call_files)))
            twice = cursor.sql(_TWICE, params={"day": day}).to_arrow_table()
        return Unmetered(senders, above, twice.cast(_NOTHING_TWICE.schema))


def _around(day: date) -> tuple[date, ...]:
    return (day - DAY, day, day + DAY)
