"""Which generated files there are, and writing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Final, cast

from llm_otel.stack.config import Config

# Each module has `files(config)`: path below the stack's folder -> text.
PARTS: Final = (
    "llm_otel.stack.collector",
    "llm_otel.stack.prometheus",
    "llm_otel.stack.alertmanager",
    "llm_otel.stack.grafana",
    "llm_otel.stack.kubernetes",
)
# Says which files are generated, so that one that is no longer made can be told from a user's own.
LIST: Final = "deploy/generated.txt"


def files(config: Config) -> dict[str, str]:
    """Every generated file of the stack: its path, with `/`, and its text."""
    texts: dict[str, str] = {}
    for name in PARTS:
        part = cast("Callable[[Config], Mapping[str, str]]", import_module(name).files)
        texts.update(part(config))
    texts[LIST] = "".join(f"{path}\n" for path in sorted(texts))
    return dict(sorted(texts.items()))


def stale(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Paths of `texts` that are missing below `root`, or say something else."""
    return [path for path, text in texts.items() if _text(root / path) != text]


def leftovers(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Paths below `root` that an earlier run wrote and that are not in `texts`."""
    folders = {PurePosixPath(path).parts[0] for path in texts}
    paths = []
    for path in (_text(root / LIST) or "").splitlines():
        first, *rest = PurePosixPath(path).parts or ("",)
        # a list that somebody changed must not lead out of the folders that are ours
        ours = first in folders and ".." not in rest
        if ours and path not in texts and (root / path).is_file():
            paths.append(path)
    return paths


def write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Write what differs.

    Returns:
        The paths that were written.

    Raises:
        OSError: A file cannot be written.
    """
    paths = stale(root, texts)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8", newline="\n")
    return paths


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
