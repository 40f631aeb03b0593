"""`llm-otel init`."""

from __future__ import annotations

import json
import shlex
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import rich_click as click

from llm_otel.cli import options
from llm_otel.version import __version__

# A new image, and configuration that running programs read at their start alone.
_AFTER_UPGRADE: Final = " -- --build --force-recreate"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the files that you changed, too.")
@options.readable_errors
def command(folder: Path, force: bool) -> None:
    """Write everything that the stack needs into FOLDER: the compose file and what it mounts.

    After an upgrade of llm-otel, run it again: it brings the files to the new version. A file that
    you changed stays as it is, and its new version is written beside it, ending in .new.
    Thresholds, budgets and receivers come from FOLDER/llm-otel.yaml, if it is there.
    """
    from llm_otel.settings.document import CONFIG_FILE
    from llm_otel.stack import folder as stack
    from llm_otel.stack.config import Config

    if stack.is_clone(folder):
        raise click.ClickException(
            f"{folder} is a clone of the repository: it has these files; git updates them."
        )
    config = folder / CONFIG_FILE
    texts = stack.files(Config.load(config if config.exists() else None))
    before = stack.version(folder)
    steps = stack.plan(folder, texts, force=force)
    if steps.is_new and steps.edits:
        raise click.ClickException(
            f"{folder} holds files that llm-otel did not write: {', '.join(steps.edits)}. Nothing"
            " was written: choose another folder, or replace them with --force."
        )
    stack.apply(folder, steps)
    if not steps.is_new:
        for path in steps.writes:
            click.echo(f"wrote {path}")
        for path in steps.leftovers:
            click.echo(f"removed {path}")
    for path in steps.edits:
        click.echo(_kept(path, path + stack.BESIDE in steps.beside, path in texts))
    for path in steps.unmerged:
        click.echo(f"{path} is still there: delete it once you have merged it")
    current = len(texts) - len(steps.writes) - len(steps.edits)
    origin = f", before {before}" if before not in (None, __version__) else ""
    click.echo(
        f"{folder}: {len(steps.writes)} files written, {current} current, {len(steps.edits)} kept,"
        f" {len(steps.leftovers)} removed (llm-otel {__version__}{origin})."
    )
    _wheel(folder / stack.WHEELS)
    click.echo(
        f"Start it: llm-otel up {shlex.quote(str(folder))}{_AFTER_UPGRADE if origin else ''}"
    )


def _kept(path: str, has_new: bool, is_used: bool) -> str:
    if not is_used:
        return f"kept {path}, which you changed and llm-otel {__version__} no longer uses"
    more = f"; the new version is {path}.new" if has_new else ""
    return f"kept {path}, which you changed{more}"


def _wheel(wheels: Path) -> None:
    """Put the wheel that this package was installed from where the image finds it.

    Nothing is to be done for a package that comes from an index, where the image has it from, too.
    """
    try:
        text = distribution("llm-otel").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    if text is None:
        return
    url = json.loads(text)["url"]
    source = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    if source is not None and source.suffix == ".whl" and source.is_file():
        wheels.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, wheels / source.name)
    elif not any(wheels.glob(f"llm_otel-{__version__}-*.whl")):
        make = ("pip", "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source or url))
        click.echo(
            f"llm-otel {__version__} is not from a package index. For its image, put its wheel into"
            f" {wheels}: {shlex.join(make)}"
        )
