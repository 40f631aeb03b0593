"""`llm-otel import`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from llm_otel.cli import options
from llm_otel.escaping import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@options.lake
@options.readable_errors
def command(files: tuple[Path, ...], lake: Path) -> None:
    """Take FILES of OTLP into the lake: JSON, one request a line, as the Collector's file exporter
    writes it; compressed with gzip or zstd, or not.

    A file that is imported twice, and what was received before, counts once; of metrics within a
    month, and the older file comes first. A line that is no OTLP is named and left out; the exit
    code is 1 then.
    """
    from rich import progress as bars
    from rich.markup import escape

    from llm_otel.lake.importing import import_file
    from llm_otel.lake.ingest import Ingest

    options.private_files()
    request_count = 0
    wrong: list[str] = []
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TimeRemainingColumn(),
    )
    with Ingest(lake) as ingest, options.progress(*columns) as progress:
        for path in files:
            task = progress.add_task(escape(visible(path.name)), total=path.stat().st_size)
            outcome = import_file(ingest, path, functools.partial(_show, progress, task))
            request_count += outcome.requests
            wrong += outcome.wrong
        ingest.flush()
    of = "1 file" if len(files) == 1 else f"{len(files):,} files"
    click.echo(f"{request_count:,} requests of {of} are in the lake {lake}.")
    for reason in wrong:
        click.echo(visible(reason), err=True)
    if wrong:
        raise SystemExit(1)


def _show(progress: Progress, task: TaskID, position: int) -> None:
    progress.update(task, completed=position)
