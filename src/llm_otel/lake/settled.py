"""The calls of days that are over, as they count: found out once for all who read the lake.

What is nested among the calls of a day stays the same for as long as the files do that it is of.
The maintenance writes it down in files of its own, `requests/day=<day>/<key>.<part>`:

- `calls.parquet`: the rows of the view `calls`, `above.parquet`: those of the view `calls_above`,
  for a day with nested calls, or
- `flat`: an empty file for a day without.

The key is of the names of the day's files and of those beside it, and of this release, as another
one may count otherwise: other files have another key. A file that cannot be read is as one that is
not there. Where the day before is no longer kept, what its calls told of this day's is.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from llm_otel.lake.daily import DAY, Files
from llm_otel.lake.schema import CALLS, SPANS
from llm_otel.lake.schema import DAY as PARTITION
from llm_otel.lake.whole import mention, problem, quick_problem
from llm_otel.version import __version__

_FOLDER: Final = "requests"
_CALLS: Final = "calls.parquet"
_ABOVE: Final = "above.parquet"
_FLAT: Final = "flat"


class Day(NamedTuple):
    """The files of a day; `calls` is None where the calls count as they were sent."""

    calls: str | None
    above: str | None


class Settled:
    """The days that are written down; not for several threads at once.

    Args:
        root: The lake's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / _FOLDER
        # Whether a file can be read, as far as is known.
        self._readable: dict[str, bool] = {}
        # When files were first seen to be of no use.
        self._useless: dict[Path, float] = {}
        # When days were last written.
        self._written: dict[date, float] = {}

    def of(self, files: Files, day: date) -> Day | None:
        """What is written down of a day; None where nothing is."""
        parts = self._parts(files, day)
        if _FLAT in parts:
            return Day(None, None)
        paths = [str(parts[name]) for name in (_CALLS, _ABOVE) if name in parts]
        if len(paths) == 2 and all(map(self._is_readable, paths)):
            return Day(*paths)
        return None

    def doubt(self) -> bool:
        """Read the files whole, after a reader failed; whether one is damaged, which it is from now
        on not looked into for."""
        damaged = [path for path, well in self._readable.items() if well and _problem(path)]
        for path in damaged:
            self._readable[path] = False
            mention(path, "The file %s of the lake is damaged and left out: it is made anew", path)
        return bool(damaged)

    def age_s(self, day: date) -> float:
        """For how many seconds a day has not been written down here; infinity: it never was."""
        return time.monotonic() - self._written.get(day, -math.inf)

    def write(
        self, files: Files, day: date, calls: pa.Table | None, above: pa.Table | None
    ) -> None:
        """Write a day down.

        Args:
            files: Those of the lake of which it is.
            day: The day.
            calls, above: The rows, without the column `day`; None where no call is nested.
        """
        self._written[day] = time.monotonic()
        folder = self._folder(day)
        folder.mkdir(parents=True, exist_ok=True)
        key = ".".join(_key(files, day))
        if calls is None or above is None:
            (folder / f"{key}.{_FLAT}").touch()
            return
        for name, rows in ((_ABOVE, above), (_CALLS, calls)):
            path = folder / f"{key}.{name}"
            unfinished = path.with_suffix(".new")
            _write(rows, unfinished)
            os.replace(unfinished, path)
            self._readable.pop(str(path), None)

    def clean(self, files: Files, grace_s: float) -> None:
        """Delete what has been of no use for some time, in which a reader may have it open."""
        if not self._root.exists():
            return
        used = {path for day in files[CALLS.name] for path in self._parts(files, day).values()}
        now = time.monotonic()
        useless = {path for path in self._root.glob("*/*") if path.is_file()} - used
        self._useless = {path: self._useless.get(path, now) for path in useless}
        for path, since in self._useless.items():
            if now - since >= grace_s:
                path.unlink(missing_ok=True)
        for folder in self._root.iterdir():
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _folder(self, day: date) -> Path:
        return self._root / f"{PARTITION}={day.isoformat()}"

    def _parts(self, files: Files, day: date) -> dict[str, Path]:
        """The files of a day's key, by what they hold."""
        try:
            names = sorted(os.listdir(self._folder(day)))
        except OSError:
            return {}
        own, before = _key(files, day)
        # Without the day before there is nothing else to be found out.
        any_before = not any(day - DAY in files[name] for name in (CALLS.name, SPANS.name))
        parts = {}
        for name in names:
            # Whoever copies a lake may leave files of their own here.
            first, second, part = (*name.split(".", 2), "", "")[:3]
            if first == own and (second == before or any_before):
                parts[part] = self._folder(day) / name
        return parts

    def _is_readable(self, path: str) -> bool:
        if path not in self._readable:
            self._readable[path] = quick_problem(path, _size(path)) is None
        return self._readable[path]


def _key(files: Files, day: date) -> tuple[str, str]:
    """Hashes of the names of the files of a day and the next one, and of the day before."""
    return _hash(files, (day, day + DAY)), _hash(files, (day - DAY,))


def _hash(files: Files, days: Iterable[date]) -> str:
    names = [
        f"{table} {day} {os.path.basename(file)}"
        for table in (CALLS.name, SPANS.name)
        for day in days
        for file in sorted(files[table].get(day, ()))
    ]
    text = "\n".join([__version__, *CALLS.schema.names, *names])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(rows: pa.Table, path: Path) -> None:
    unique = {column.name: column.type for column in CALLS.columns if column.unique}
    parquet.write_table(
        rows,
        path,
        compression="zstd",
        use_dictionary=[name for name in rows.column_names if name not in unique],
        column_encoding={
            name: "BYTE_STREAM_SPLIT" for name, kind in unique.items() if pa.types.is_floating(kind)
        },
        write_page_checksum=True,
    )


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _problem(path: str) -> str | None:
    return problem(path, _size(path))
