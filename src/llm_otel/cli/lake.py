"""`llm-otel lake`: look after the folder."""

from __future__ import annotations

import logging
from pathlib import Path

import rich_click as click

from llm_otel.cli import options
from llm_otel.errors import ConfigError
from llm_otel.escaping import visible


@click.command()
@click.argument("what", type=click.Choice(("check", "repair")))
@options.lake
@options.readable_errors
def command(what: str, lake: Path) -> None:
    """Find what is damaged in the lake, or set it aside.

    `check` reads everything and prints one line for each damage; the exit code is 1 if there is
    any. It may run while `llm-otel serve` does.

    `repair` moves damaged files to the folder `damaged` of the lake, or renames them, and writes
    anew what can be: the logs of the tables, `lake.json`. It deletes nothing, prints a line for
    everything that it does, and wants `llm-otel serve` to be stopped.
    """
    from llm_otel.lake import checking

    if not lake.is_dir():
        raise ConfigError(f"There is no lake in {lake}: --lake names another folder.")
    # What readers warn of is what the lines say.
    logging.getLogger("llm_otel.lake").setLevel(logging.ERROR)
    count = 0
    for line in (checking.check if what == "check" else checking.repair)(lake):
        click.echo(visible(line))
        count += 1
    things = "1 thing" if count == 1 else f"{count:,} things"
    if what == "check":
        click.echo(f"{things if count else 'Nothing'} in the lake {lake} is damaged.", err=True)
        if count:
            raise SystemExit(1)
    else:
        click.echo(f"{things if count else 'Nothing'} had to be repaired in {lake}.", err=True)
