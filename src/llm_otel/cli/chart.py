"""`llm-otel chart`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import rich_click as click

from llm_otel.cli import options, output

# As `llm_otel.dashboard.figures.NAMES`, which takes long to import.
NAMES = (
    "requests",
    "percentiles",
    "p95-by-model",
    "tokens",
    "cost",
    "errors",
    "durations",
    "users",
    "sessions",
    "runs",
    "cost-of-run",
    "calls-of-run",
    "scores",
    "drift",
    "models",
    "value",
    "cost-of-success",
)
_FILTERS = ("service", "provider", "model", "feature", "tenant_id", "user", "session", "status",
            "tag")  # fmt: skip


def _filters(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    filters: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name not in _FILTERS or not equals:
            raise click.BadParameter(
                f"{text!r} is no filter: give NAME=VALUE with one of {', '.join(_FILTERS)}."
            )
        filters[name] = (*filters.get(name, ()), value)
    return filters


def _check_split(name: str, by: str) -> None:
    """Refuse what the chart cannot be split by; an address of a page would ignore it."""
    from llm_otel.lake.queries.cost import DIMENSIONS, TAG

    if name != "cost":
        raise click.BadParameter(
            f"the chart {name} has no split: only cost has.", param_hint="--by"
        )
    if by not in DIMENSIONS and (not by.startswith(TAG) or by == TAG):
        raise click.BadParameter(
            f"the cost cannot be split by {by!r}: use one of {', '.join(DIMENSIONS)} or tag:<key>.",
            param_hint="--by",
        )


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@options.lake
@options.since
@options.until
@click.option(
    "--by",
    metavar="WHAT",
    help="Split the cost by model, tenant_id, feature, user, provider, service or tag:<key>.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_filters,
    help="Only calls of this: model=gpt-5; may be given several times.",
)
@options.into
@options.readable_errors
def command(
    name: str,
    lake: Path,
    since: datetime,
    until: datetime | None,
    by: str | None,
    filters: dict[str, tuple[str, ...]],
    into: Path | None,
) -> None:
    """Write one of the dashboard's charts as JSON of Plotly: NAME is which.

    `plotly.io.from_json` reads it, and Plotly in any language.

    \b
    llm-otel chart cost --by tenant_id --since 30d -o cost.json
    llm-otel chart requests --filter model=gpt-5 --filter feature=search
    """
    from llm_otel.dashboard import figures

    if by:
        _check_split(name, by)
    options.in_order(since, until)
    window = {"since": since, "until": until or options.now()}
    times = {key: (when.isoformat(),) for key, when in window.items()}
    split = {"by": (by,)} if by else {}
    opened = options.open_lake(lake)
    figure = options.without_damaged(
        opened, lambda: figures.chart(opened, name, {**filters, **times, **split})
    )
    text = figure.json()
    if into is None:
        output.echo(text)
    else:
        output.write_text(f"{text}\n", into)
