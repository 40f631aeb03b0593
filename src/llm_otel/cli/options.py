"""What several commands share: where the lake is, which time, and how a mistake is told."""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import rich_click as click

from llm_otel.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress

    from llm_otel.lake.reading import Lake

P = ParamSpec("P")
R = TypeVar("R")

_SAYS: Final = {
    errno.ENOENT: "there is no such file or folder.",
    errno.EACCES: "it may not be read or written by this user: choose another place.",
    errno.EROFS: "it is on a disk that is read-only: choose another place.",
    errno.ENOSPC: "the disk is full: free some space, or choose another place.",
}
_AGO: Final = re.compile(r"(\d+)\s*(m|h|d|w)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Time(click.ParamType):  # type: ignore[type-arg]
    """A time: how long ago (`90m`, `24h`, `7d`, `2w`), a date, or a date and time; UTC."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time without a zone, in UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        ago = _AGO.fullmatch(text)
        if ago:
            return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            self.fail(
                f"{text!r} is no time: give 90m, 24h, 7d or 2w, or a date as 2026-11-21, or "
                "2026-11-21T14:00 (UTC).",
                param,
                ctx,
            )
        return time.astimezone(timezone.utc).replace(tzinfo=None) if time.tzinfo else time


class Day(click.ParamType):  # type: ignore[type-arg]
    """A day: a date, `today` or `yesterday`; UTC."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date."""
        if isinstance(value, date):
            return value
        today = now().date()
        text = str(value).strip().lower()
        days = {"today": today, "yesterday": today - timedelta(days=1)}
        if text in days:
            return days[text]
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no day: give today, yesterday or 2026-11-21 (UTC).", param, ctx)


def lake(command: Callable[P, R]) -> Callable[P, R]:
    """The option `--lake`, as the parameter `lake`."""
    return click.option(
        "--lake",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_lake,
        envvar="LLM_OTEL_LAKE",
        show_default="~/.local/share/llm-otel/lake",
        show_envvar=True,
        help="Folder of the lake.",
    )(command)


def since(command: Callable[P, R]) -> Callable[P, R]:
    """The option `--since`."""
    return click.option(
        "--since", type=Time(), default="7d", show_default=True, help="From when on."
    )(command)


def until(command: Callable[P, R]) -> Callable[P, R]:
    """The option `--until`; None: now."""
    return click.option("--until", type=Time(), help="Up to when; by default now.")(command)


def into(command: Callable[P, R]) -> Callable[P, R]:
    """The option `--output`, as the parameter `into`; None: standard output."""
    return click.option(
        "--output",
        "-o",
        "into",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File to write; by default standard output.",
    )(command)


def targets(help_text: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The options `--to` and `--to-file`, as the parameters `targets` and `targets_file`.

    Addresses hold passwords and tokens, and every user of the machine sees the arguments of a
    process.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        option = click.option(
            "--to",
            "targets",
            multiple=True,
            metavar="ADDRESS",
            envvar="LLM_OTEL_TO",
            show_envvar=True,
            help=help_text,
        )
        file_option = click.option(
            "--to-file",
            "targets_file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with such addresses, one a line: they hold secrets, which arguments show to "
            "every user of the machine.",
        )
        return option(file_option(command))

    return decorate


def all_targets(targets: tuple[str, ...], targets_file: Path | None) -> tuple[str, ...]:
    """The addresses of `--to` and of the file: its lines, but for empty ones and comments."""
    if targets_file is None:
        return targets
    lines = map(str.strip, targets_file.read_text(encoding="utf-8").splitlines())
    return (*targets, *(line for line in lines if line and not line.startswith("#")))


def in_order(since: datetime, until: datetime | None) -> None:
    """Hold that a window has a length.

    Raises:
        UsageError: It ends before it begins.
    """
    if until is not None and until <= since:
        raise click.UsageError(
            f"--until {until:%Y-%m-%d %H:%M} is not after --since {since:%Y-%m-%d %H:%M}."
        )


def open_lake(path: Path) -> Lake:
    """The lake in a folder, for a command that has nothing to say without one.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    import llm_otel.lake

    if not (path / "lake.json").exists():
        raise ConfigError(
            f"There is no lake in {path}: `llm-otel serve` makes one, --lake names another folder."
        )
    return llm_otel.lake.open(path)


def without_damaged(lake: Lake, work: Callable[[], R]) -> R:
    """What `work` gives; where it meets a damaged file, what it gives without that file."""
    from llm_otel.lake.reading import without_damaged

    return without_damaged(lake, work)


def now() -> datetime:
    """The time now, in UTC, without a zone."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def config(command: Callable[P, R]) -> Callable[P, R]:
    """The option `--config`, as the parameter `config`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The file with budgets and thresholds; by default llm-otel.yaml, if it is here.",
    )(command)


def progress(*columns: Any) -> Progress:
    """Progress bars on standard error, where that is a terminal; gone when they are done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def default_lake() -> Path:
    """Where data of applications belongs on this system."""
    from platformdirs import user_data_path

    return user_data_path("llm-otel", appauthor=False) / "lake"


def private_files() -> None:
    """Let nobody but the user, and the group at most, read what this process writes."""
    os.umask(os.umask(0o077) | 0o027)


def readable_errors(command: Callable[P, R]) -> Callable[P, R]:
    """A wrong setting or file, and a library that is missing, ends the command with a sentence and
    the exit code 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ConfigError as exc:
            raise click.ClickException(str(exc)) from None
        except ModuleNotFoundError as exc:
            if (exc.name or "llm_otel").startswith("llm_otel"):
                raise
            raise click.ClickException(
                f"This command needs {exc.name}: pip install 'llm-otel[local]'"
            ) from None
        except OSError as exc:
            raise click.ClickException(_of_the_system(exc)) from None

    return run


def _of_the_system(exc: OSError) -> str:
    """What the operating system would not do, and with which file."""
    where = f"{exc.filename}: " if exc.filename else ""
    what = _SAYS.get(exc.errno or 0) or f"{exc.strerror or exc}."
    return f"{where}{what}"
