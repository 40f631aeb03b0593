"""`llm-otel import`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from llm_otel.cli import options


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@options.lake
@options.told
def command(files: tuple[Path, ...], lake: Path) -> None:
    """Take FILES of OTLP into the lake: JSON, one request a line, as the Collector's file exporter
    writes it; compressed with gzip or zstd, or not.

    A file that is imported twice, and what was received before, counts once. A line that is no
    OTLP is named and left out; the exit code is 1 then.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    try:
        from llm_otel.lake.importing import import_file
        from llm_otel.lake.ingest import Ingest
    except ModuleNotFoundError as exc:
        raise click.ClickException(
            f"import needs {exc.name}: pip install 'llm-otel[local]'"
        ) from None
    taken = 0
    wrong: list[str] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Ingest(lake) as ingest, Progress(*columns, transient=True) as progress:
        for path in files:
            task = progress.add_task(path.name, total=path.stat().st_size)
            done = import_file(
                ingest, path, lambda at, task=task: progress.update(task, completed=at)
            )  # type: ignore[misc]
            taken += done.requests
            wrong += done.wrong
        ingest.flush()
    click.echo(f"{taken:,} requests of {len(files):,} files are in the lake {lake}.")
    for reason in wrong:
        click.echo(reason, err=True)
    if wrong:
        raise SystemExit(1)
