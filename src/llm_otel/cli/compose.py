"""`llm-otel up`, `down` and `status`: each prints one command of Docker Compose and runs it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import rich_click as click

from llm_otel.cli import options
from llm_otel.version import __version__

_EVERY_PROFILE: Final = ("--profile", "*")


class _Command(click.RichCommand):
    """What follows `--` is for Compose, with or without a folder before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:end])
        ctx.params["more"] = (*ctx.params["more"], *args[end + 1 :])
        return rest


def _folder(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments `[FOLDER] [-- OPTIONS]`, as the parameters `folder` and `more`."""
    folder = click.argument(
        "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path()
    )
    more = click.argument("more", nargs=-1, metavar="[-- OPTIONS OF COMPOSE]")
    return folder(more(options.readable_errors(command)))


@click.command(cls=_Command)
@click.option("--profile", multiple=True, help="Start the services of a profile, too: sample.")
@_folder
def up(folder: Path, profile: tuple[str, ...], more: tuple[str, ...]) -> None:
    """Start the stack in FOLDER, and wait until it is healthy."""
    profiles = [word for name in profile for word in ("--profile", name)]
    _run(folder, [*profiles, "up", "--detach", "--wait", *more])


@click.command(cls=_Command)
@_folder
def down(folder: Path, more: tuple[str, ...]) -> None:
    """Stop the stack in FOLDER, every profile with it; the data stays in its volumes."""
    _run(folder, [*_EVERY_PROFILE, "down", *more])


@click.command(cls=_Command)
@_folder
def status(folder: Path, more: tuple[str, ...]) -> None:
    """Show the services of the stack in FOLDER, and how they are."""
    _run(folder, [*_EVERY_PROFILE, "ps", "--all", *more])


def _run(folder: Path, arguments: list[str]) -> None:
    """Print the command and run it in `folder`; its exit code is ours."""
    from llm_otel.stack import folder as stack
    from llm_otel.stack.doctor import compose

    name = shlex.quote(str(folder))
    if not (folder / compose.FILE).exists():
        raise click.ClickException(
            f"There is no {compose.FILE} in {folder.resolve()}: `llm-otel init {name}` writes it."
        )
    program = compose.program()
    if program is None:
        raise click.ClickException(
            "Docker Compose is not installed: install Docker with its Compose plugin, or use"
            " `llm-otel serve`, which needs neither."
        )
    written_by = stack.version(folder)
    if written_by not in (None, __version__):
        click.echo(
            f"The files in {folder} are of llm-otel {written_by}, and this is {__version__}:"
            f" `llm-otel init {name}` brings them to this version.",
            err=True,
        )
    command = [*program, *arguments]
    place = "" if folder == Path() else f"cd {name} && "
    click.echo(f"{place}{shlex.join([Path(command[0]).name, *command[1:]])}", err=True)
    raise SystemExit(_exit_code(command, folder))


def _exit_code(command: list[str], folder: Path) -> int:
    with subprocess.Popen(command, cwd=folder) as process:  # noqa: S603 - Compose, found on PATH
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:  # Compose gets it, too, and ends in its own time
                continue
            return code if code >= 0 else 128 - code
