"""The folder that `llm-otel init` writes: the version of its files, and which ones a user changed.

`deploy/written.sha256` holds the hash of every file as it was written, in the form of `sha256sum`.
A file that no longer has its hash is the user's, and stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from llm_otel.errors import ConfigError
from llm_otel.escaping import visible
from llm_otel.stack import render, static_files
from llm_otel.stack.config import Config
from llm_otel.version import __version__

RECORD: Final = "deploy/written.sha256"
# A requirement, as pip reads it: what the app image installs.
VERSION: Final = "deploy/llm-otel.txt"
WHEELS: Final = "deploy/wheels"
# Ending of a new version beside a file that the user changed; no program of the stack reads it.
BESIDE: Final = ".new"

_PACKAGE: Final = "llm-otel"
# Containers read these files as users of their own, whatever the umask is here.
_FILE_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o755
# What is below is mounted by the engine, and needs nobody to pass this one.
_SECRETS: Final = "secrets"
_SECRETS_MODE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Plan:
    """What `llm-otel init` does to a folder; paths are below it, with `/`.

    Attributes:
        writes: Files that are missing or that an earlier version wrote, and their text.
        beside: Of edited files, the new version that the user has not seen yet.
        edits: Files that the user changed.
        leftovers: Files that an earlier version wrote and this one does not have; new versions
            beside files that are no longer changed.
        unmerged: New versions that an earlier run wrote beside files, and that may still be
            needed.
        hashes: What the record says afterwards.
        is_new: Whether the folder has no record yet.
    """

    writes: Mapping[str, str]
    beside: Mapping[str, str]
    edits: tuple[str, ...]
    leftovers: tuple[str, ...]
    unmerged: tuple[str, ...]
    hashes: Mapping[str, str]
    is_new: bool


def files(config: Config) -> dict[str, str]:
    """Every file of a folder: its path, with `/`, and its text."""
    return {
        **static_files.files(),
        **render.files(config),
        VERSION: f"{_PACKAGE}=={__version__}\n",
    }


def is_clone(root: Path) -> bool:
    """Whether `root` is the repository, whose files come by git."""
    return (root / "pyproject.toml").exists() and (root / "src" / "llm_otel").is_dir()


def version(root: Path) -> str | None:
    """The version of llm-otel that wrote the folder; None where no `init` did."""
    try:
        text = (root / VERSION).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return visible(text.strip().removeprefix(f"{_PACKAGE}=="))


def plan(root: Path, texts: Mapping[str, str], *, force: bool = False) -> Plan:
    """What is to be done so that `root` holds `texts`, and what the user changed stays.

    Args:
        root: The folder; it may be missing.
        texts: Path -> text.
        force: Replace what the user changed, too.

    Raises:
        ConfigError: The record cannot be read.
    """
    record = _read(root)
    before = record or {}
    writes, beside, edits = {}, {}, []
    for path, text in texts.items():
        present, new = _hash_of(root / path), _hash(text)
        if present == new:
            continue
        # llm-otel owns the version file
        if force or path == VERSION or present in (None, before.get(path)):
            writes[path] = text
            continue
        edits.append(path)
        if before.get(path) != new:
            beside[path + BESIDE] = text
    leftovers = [path for path in before if path not in texts and (root / path).is_file()]
    edited_leftovers = {path for path in leftovers if _hash_of(root / path) != before[path]}
    edits += sorted(edited_leftovers)
    removals = [path for path in leftovers if path not in edited_leftovers]
    unmerged: list[str] = []
    hashes = {path: _hash(text) for path, text in texts.items()}
    for path in before:
        present = _hash_of(root / (path + BESIDE))
        if present is None or path + BESIDE in beside:
            continue
        as_written = present in (before[path], hashes.get(path))
        (removals if as_written and path not in edits else unmerged).append(path + BESIDE)
    return Plan(
        writes,
        beside,
        tuple(edits),
        tuple(removals),
        tuple(unmerged),
        {**hashes, **{path: before[path] for path in edited_leftovers}},
        record is None,
    )


def apply(root: Path, steps: Plan) -> None:
    """Do what `plan` says; the record is written last, so a run that breaks off can be repeated.

    Raises:
        OSError: A file cannot be written.
    """
    for path, text in {**steps.writes, **steps.beside}.items():
        _write(root, path, text)
    for path in steps.leftovers:
        (root / path).unlink()
    _save(root, steps.hashes)


def note_rendered(root: Path, texts: Mapping[str, str], leftovers: Iterable[str]) -> None:
    """Tell the record, where there is one, what `llm-otel render` wrote and removed."""
    record = _read(root)
    if record is not None:
        hashes = {**record, **{path: _hash(text) for path, text in texts.items()}}
        dropped = set(leftovers)
        _save(root, {path: value for path, value in hashes.items() if path not in dropped})


def _write(root: Path, path: str, text: str) -> None:
    target = root / path
    new_folders = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in new_folders:
        folder.chmod(_SECRETS_MODE if folder == root / _SECRETS else _FOLDER_MODE)
    # Whoever reads the file meanwhile, or after a crash, has the old one or the new one whole.
    file = target.resolve()
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.chmod(_FILE_MODE)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _read(root: Path) -> dict[str, str] | None:
    try:
        lines = (root / RECORD).read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        hashes = {path: value for value, path in pairs}
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, ValueError):
        hashes = {"..": ""}
    # what leads out of the folder must not be removed
    if any(PurePosixPath(path).is_absolute() or ".." in path.split("/") for path in hashes):
        raise ConfigError(
            f"{root / RECORD} is not as `llm-otel init` wrote it: restore it, or delete it and run"
            " `llm-otel init --force`."
        )
    return hashes


def _save(root: Path, hashes: Mapping[str, str]) -> None:
    _write(root, RECORD, "".join(f"{value}  {path}\n" for path, value in sorted(hashes.items())))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
