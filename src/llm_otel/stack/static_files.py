"""The stack's files that are written by hand: they come with the package as they are."""

from __future__ import annotations

from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.abc import Traversable

_PACKAGE: Final = "llm_otel.stack"


def files() -> dict[str, str]:
    """Each file: its path below the stack's folder, with `/`, and its text."""
    paths = resources(_PACKAGE).joinpath("static_files.txt").read_text(encoding="utf-8")
    root = _root()
    return {path: root.joinpath(path).read_text(encoding="utf-8") for path in paths.split()}


def _root() -> Traversable:
    """The folder that holds them in a wheel; for an editable install, the repository."""
    packaged = resources(_PACKAGE).joinpath("files")
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3]
