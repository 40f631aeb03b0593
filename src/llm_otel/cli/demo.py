"""`llm-otel demo`."""

from __future__ import annotations

import re
import threading
import webbrowser
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import rich_click as click

from llm_otel.cli import options


def _days(_context: click.Context, _option: click.Parameter, text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,3})\s*([dw]?)", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no length of time: give 30d or 8w.")
    return int(match[1]) * (7 if match[2] == "w" else 1)


@click.command()
@click.option(
    "--history",
    "days",
    default="30d",
    show_default=True,
    callback=_days,
    help="How much of it: 30d, 8w.",
)
@click.option(
    "--calls-per-day",
    type=click.IntRange(1, 10_000_000),
    default=4000,
    show_default=True,
    help="Calls of a mean day.",
)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Another seed, another history."
)
@click.option(
    "--lake",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep it in this folder, which must not hold a lake yet; by default it is thrown away.",
)
@click.option("--port", type=int, default=8050, show_default=True, help="The dashboard's.")
@click.option("--headless", is_flag=True, help="Only write the history: for that, give --lake.")
@options.readable_errors
def command(
    days: int, calls_per_day: int, seed: int, lake: Path | None, port: int, headless: bool
) -> None:
    """Show the dashboard over a history that is made up: nothing of it happened.

    Days and weeks have their rhythm; there is an incident, a price that changes, a prompt that is
    bloated, and a score that drifts. The same seed makes the same history.
    """
    with ExitStack() as open_:
        if lake is None:
            lake = Path(open_.enter_context(TemporaryDirectory(prefix="llm-otel-")))
        elif (lake / "lake.json").exists():
            raise click.ClickException(
                f"{lake} holds a lake already, which would be mixed with what is made up: give "
                "another folder."
            )
        _write(lake, days, calls_per_day, seed)
        if headless:
            click.echo(f"A history of {days} days is in {lake}.")
        else:
            _show(lake, port)


def _write(lake: Path, days: int, calls_per_day: int, seed: int) -> None:
    from rich.progress import Progress

    from llm_otel.history import generate
    from llm_otel.lake.writer import Writer

    now = datetime.now(timezone.utc)
    batches = generate(days, end=now, calls_per_day=calls_per_day, seed=seed)
    with Writer(lake) as writer, options.progress(*Progress.get_default_columns()) as bar:
        for batch in bar.track(batches, total=days, description="Making up history"):
            writer.append(**batch.tables)


def _show(lake: Path, port: int) -> None:
    from llm_otel.serve import Places, running

    with running(lake, Places(http_port=0, grpc_port=0, dashboard_port=port)) as local:
        assert local.dashboard is not None
        click.echo(f"  {click.style('dashboard', bold=True)}  {local.dashboard}")
        click.echo("All of it is made up. Ctrl-C ends it.")
        webbrowser.open(local.dashboard)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
