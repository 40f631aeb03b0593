"""`llm-otel export`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import rich_click as click

from llm_otel.cli import options, output

# What can be exported -> the query, over the rows of the time that was asked for.
_SUBJECTS = {
    "calls": "SELECT * EXCLUDE (day) FROM calls WHERE {time} AND ({where}) ORDER BY time",
    "spans": "SELECT * EXCLUDE (day) FROM spans WHERE {time} AND ({where}) ORDER BY time",
    "scores": "SELECT * EXCLUDE (day) FROM scores WHERE {time} AND ({where}) ORDER BY time",
    "outcomes": "SELECT * EXCLUDE (day) FROM outcomes WHERE {time} AND ({where}) ORDER BY time",
    "costs": """
        SELECT day, service_name, provider, model, tenant_id, feature, count(*) AS calls,
            count(*) FILTER (cost_usd IS NULL) AS unpriced, sum(cost_usd) AS cost_usd,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens
        FROM calls WHERE {time} AND ({where}) GROUP BY ALL ORDER BY ALL
    """,
}


@click.command()
@click.argument("subject", type=click.Choice(tuple(_SUBJECTS)))
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
@options.told
def command(
    subject: str,
    lake: Path,
    since: datetime,
    until: datetime | None,
    where: str,
    form: str,
    into: Path | None,
) -> None:
    """Export rows of the lake: SUBJECT is calls, spans, scores, outcomes or costs (by day).

    Rows are streamed: an export of any size needs little memory. Times are UTC. Costs are sums of
    the calls; of a service that samples its spans, the Cost page and `llm-otel chart cost` know the
    whole, from its metrics.

    \b
    llm-otel export calls --since 7d --where "status = 'error'" --format jsonl
    llm-otel export costs --since 2026-11-01 --format parquet -o november.parquet
    """
    options.in_order(since, until)
    query = _SUBJECTS[subject].format(
        time="time >= $since AND ($until IS NULL OR time < $until)", where=where
    )
    with output.wrong_queries(where):
        answer = options.open_lake(lake).sql(
            query, {"since": since, "until": until}, since=since, until=until
        )
        output.write(answer, form, into)
