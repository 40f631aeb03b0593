"""Findings about days that are over: found out once for all who read the lake.

What a day's files say stays the same for as long as these files do. The maintenance writes it to
`findings/day=<day>/<key>.<name>`, so that a program that opens the lake reads a small file and not
the calls of the day. Everything there is derived: who deletes it loses nothing but time.

A file is a SHA-256 of what follows and then one Arrow stream for each table of the finding. The key
is of the names of the files that the finding is of, and of this release, as another one may find
otherwise. A file that is damaged is as one that is not there.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from llm_otel.lake.daily import Daily, Files
from llm_otel.lake.schema import DAY as PARTITION
from llm_otel.lake.schema import TABLES
from llm_otel.lake.whole import mention
from llm_otel.version import __version__

Tables = tuple[pa.Table, ...]
_FOLDER: Final = "findings"
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


class Findings(Daily[Tables]):
    """One finding for each day, in memory and, for days that are over, on the disk.

    Args:
        root: The lake's folder.
        name: The finding's name, the same in every process.
        around: The days whose files a finding about a day is of.
        tables: Names of the tables that it is of.
    """

    def __init__(
        self, root: Path, name: str, around: Callable[[date], Iterable[date]], *tables: str
    ) -> None:
        super().__init__(*tables)
        self._root = root / _FOLDER
        self._name = name
        self._around = around
        # Files that this process has written or read whole.
        self._whole: set[Path] = set()
        # When days were last written.
        self._written: dict[date, float] = {}

    def about(self, files: Files, day: date, find: Callable[[], Tables]) -> Tables:
        """The finding about a day: from memory, else from the disk, else found by `find`."""
        path = self._path(files, day)
        return self.of(files, day, self._around(day), partial(self._load_or, path, find))

    def settle(
        self,
        files: Files,
        days: Iterable[date],
        find: Callable[[date], Tables],
        stop: Callable[[], bool],
        every_s: float,
    ) -> None:
        """Write the findings about some days down, until `stop()`, and delete those of other files.

        A day is written again `every_s` seconds after it was, however often its files change.

        Raises:
            Exception: The first failure, after the other days.
        """
        current, failures = set(), []
        for day in days:
            path = self._path(files, day)
            current.add(path)
            age_s = time.monotonic() - self._written.get(day, -math.inf)
            if stop() or age_s < every_s or path in self._whole or self._load(path) is not None:
                continue
            try:
                self._write(path, find(day))
            except Exception as error:  # noqa: BLE001 of a damaged file, or of a full disk
                failures.append(error)
            self._written[day] = time.monotonic()
        self._clean(current)
        if failures:
            raise failures[0]

    def _path(self, files: Files, day: date) -> Path:
        names = [
            f"{table} {each} {os.path.basename(file)}"
            for table in self._tables
            for each in self._around(day)
            for file in sorted(files[table].get(each, ()))
        ]
        columns = [name for table in self._tables for name in TABLES[table].schema.names]
        text = "\n".join([__version__, *columns, *names])
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._root / f"{PARTITION}={day.isoformat()}" / f"{key}.{self._name}"

    def _load_or(self, path: Path, find: Callable[[], Tables]) -> Tables:
        tables = self._load(path)
        return find() if tables is None else tables

    def _load(self, path: Path) -> Tables | None:
        """What a file holds; None where there is none, or none that can be used."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        content = data[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != data[:_DIGEST_BYTES]:
            mention(path, "The file %s of the lake is damaged and left out: it is made anew", path)
            return None
        self._whole.add(path)
        tables, source = [], pa.BufferReader(content)
        while source.tell() < len(content):
            tables.append(pa.ipc.open_stream(source).read_all())
        return tuple(tables)

    def _write(self, path: Path, tables: Tables) -> None:
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        for table in tables:
            with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
                stream.write_table(table)
        content = sink.getvalue().to_pybytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(unfinished, path)
        self._whole.add(path)

    def _clean(self, current: set[Path]) -> None:
        """Delete the findings of files that are gone: a reader that looks for one finds it out."""
        for pattern in (f"*/*.{self._name}", f"*/*.{self._name}.new"):
            for path in set(self._root.glob(pattern)) - current:
                path.unlink(missing_ok=True)
        self._whole &= current
        if self._root.exists():
            for folder in self._root.iterdir():
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
