"""`llm-otel report`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import rich_click as click

from llm_otel.cli import options, output

_FORMATS = ("markdown", "html", "json")


@click.command()
@click.option(
    "--period",
    type=click.Choice(("day", "week")),
    default="day",
    show_default=True,
    help="A day, or the seven days that end with it; compared with the one before.",
)
@click.option(
    "--day",
    type=options.Day(),
    default="yesterday",
    show_default=True,
    help="The day, or the last of the seven; UTC.",
)
@options.lake
@options.config
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="By default what the name of --output ends with, else Markdown.",
)
@options.into
@options.targets(
    "Send it: mailto://…, slack://…, pagerduty://… (only what is unusual), any address of "
    "Apprise, or a webhook's http(s)://…. May be given several times."
)
@options.readable_errors
def command(
    period: str,
    day: date,
    lake: Path,
    config: Path | None,
    form: str | None,
    into: Path | None,
    targets: tuple[str, ...],
    targets_file: Path | None,
) -> None:
    """Tell what a day or a week cost, what moved and why, what is unusual and what to do.

    Every number is computed from the lake. Sent with --to, nothing is printed.

    \b
    llm-otel report --period week -o week.html
    llm-otel report --to-file addresses.txt
    """
    from llm_otel import digest
    from llm_otel.digest import send
    from llm_otel.stack.config import Config

    targets = options.all_targets(targets, targets_file)
    send.check(targets)
    settings = Config.load(config)
    opened = options.open_lake(lake)
    summary = options.without_damaged(
        opened,
        lambda: digest.compute(
            opened, digest.period(period, day), settings.budgets, settings.dashboard_url
        ),
    )
    if into is not None or not targets:
        text = digest.render(summary, form or _format_of(into))
        if into is None:
            output.echo(text, newline=False)
        else:
            output.write_text(text, into)
    failed = send.send(summary, targets)
    if failed:
        raise click.ClickException("; ".join(failed))


def _format_of(into: Path | None) -> str:
    endings = {".html": "html", ".htm": "html", ".json": "json"}
    return endings.get(into.suffix.lower(), "markdown") if into else "markdown"
