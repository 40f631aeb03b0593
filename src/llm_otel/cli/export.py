"""`llm-otel export`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from llm_otel.cli import options, output

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from llm_otel.lake.reading import Lake

# What can be exported -> the query, over the rows of the time that was asked for.
_SUBJECTS = {
    "calls": "SELECT * EXCLUDE (day) FROM calls WHERE {time} AND ({where}) ORDER BY time",
    "spans": "SELECT * EXCLUDE (day) FROM spans WHERE {time} AND ({where}) ORDER BY time",
    "scores": "SELECT * EXCLUDE (day) FROM scores WHERE {time} AND ({where}) ORDER BY time",
    "messages": "SELECT * EXCLUDE (day) FROM messages WHERE {time} AND ({where}) ORDER BY time",
    "outcomes": "SELECT * EXCLUDE (day) FROM outcomes WHERE {time} AND ({where}) ORDER BY time",
}
# By day, of what the services' metrics say and where they say nothing of their calls.
_COSTS = """
    SELECT * FROM (
        SELECT time::DATE AS day, service_name, provider, model, tenant_id, feature,
            coalesce(sum(requests), 0)::BIGINT AS calls, coalesce(sum(errors), 0)::BIGINT AS errors,
            sum(cost_usd) AS cost_usd, sum(input_tokens)::BIGINT AS input_tokens,
            sum(output_tokens)::BIGINT AS output_tokens,
            sum(cached_tokens)::BIGINT AS cache_read_tokens,
            coalesce(sum(unpriced), 0)::BIGINT AS unpriced_calls
        FROM usage GROUP BY ALL
    ) WHERE ({where}) ORDER BY ALL
"""
_DAY_S = 86_400


@click.command()
@click.argument("subject", type=click.Choice((*_SUBJECTS, "costs")))
@options.lake
@options.since
@options.until
@click.option(
    "--where", default="true", show_default="all", help="A condition in SQL: \"model = 'gpt-4o'\"."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(output.FORMATS),
    default="csv",
    show_default=True,
    help="How to write it.",
)
@options.into
@options.readable_errors
def command(
    subject: str,
    lake: Path,
    since: datetime,
    until: datetime | None,
    where: str,
    form: str,
    into: Path | None,
) -> None:
    """Export rows of the lake: SUBJECT is calls, spans, scores, outcomes,
    messages or costs (by day).

    Rows are streamed: an export of any size needs little memory. Times are UTC. Costs are by day,
    service, provider, model, tenant and feature, from the metrics where a service sends them (its
    spans may be sampled; they are by the hour, so it begins with a whole one), else from its calls;
    their --where is about these columns. Errors are those that count against an objective. Where
    unpriced_calls is not 0, the true cost is higher: so many calls have no price, or only a part
    has one. They are counted from the calls.

    \b
    llm-otel export calls --since 7d --where "status = 'error'" --format jsonl
    llm-otel export costs --since 2026-11-01 --format parquet -o november.parquet
    """
    options.in_order(since, until)
    opened = options.open_lake(lake)
    with output.wrong_queries(where):

        def write() -> None:
            rows = _rows if subject != "costs" else _costs
            output.write(rows(opened, subject, since, until, where), form, into)

        options.without_damaged(opened, write)


def _rows(
    lake: Lake, subject: str, since: datetime, until: datetime | None, where: str
) -> DuckDBPyRelation:
    time = "time >= $since AND ($until IS NULL OR time < $until)"
    query = _SUBJECTS[subject].format(time=time, where=where)
    return lake.sql(query, {"since": since, "until": until}, since=since, until=until)


def _costs(
    lake: Lake, _subject: str, since: datetime, until: datetime | None, where: str
) -> DuckDBPyRelation:
    from llm_otel.lake.admission import AHEAD
    from llm_otel.lake.queries.filters import Filter
    from llm_otel.lake.queries.reader import Reader
    from llm_otel.lake.queries.usage import keep_window
    from llm_otel.lake.reading import one_query

    # The metrics are by the hour, as on the Cost page; clocks that are ahead count, too.
    since = since.replace(minute=0, second=0, microsecond=0)
    reader = Reader(lake, Filter(since, until or options.now() + AHEAD), timedelta())
    keep_window(reader, bucket_s=_DAY_S, attributed=True)
    return one_query(reader.connection, _COSTS.format(where=where))
