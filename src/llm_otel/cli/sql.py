"""`llm-otel sql`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from llm_otel.cli import options, output

if TYPE_CHECKING:
    import duckdb


@click.command()
@click.argument("query")
@options.lake
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", *output.FORMATS)),
    help="By default a table on a terminal, CSV elsewhere.",
)
@click.option(
    "--allow-files",
    is_flag=True,
    help="Let the query read files outside the lake, as with read_csv('prices.csv').",
)
@options.into
@options.readable_errors
def command(query: str, lake: Path, form: str | None, allow_files: bool, into: Path | None) -> None:
    """Ask the lake one QUERY in DuckDB's SQL; `-` reads it from standard input.

    The tables are calls, spans, scores, outcomes, messages and metrics_hourly; `DESCRIBE calls`
    tells the columns. Nothing can be changed, and no file outside the lake is read.

    \b
    llm-otel sql "SELECT model, sum(cost_usd) FROM calls GROUP BY 1 ORDER BY 2 DESC"
    """
    text = sys.stdin.read() if query == "-" else query
    with output.wrong_queries():
        if form is None:
            form = "table" if into is None and sys.stdout.isatty() else "csv"
        opened = options.open_lake(lake)
        options.without_damaged(
            opened, lambda: _answer(opened.sql(text, files=allow_files), form, into)
        )


def _answer(answer: duckdb.DuckDBPyRelation, form: str, into: Path | None) -> None:
    if form == "table":
        output.table(answer)
    else:
        output.write(answer, form, into)
