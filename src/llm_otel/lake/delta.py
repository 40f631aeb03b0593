"""The lake's tables as Delta tables: the only module that knows the table format.

A commit of Delta is one small file that appears at once or not at all, so a reader sees all of a
batch or nothing. Each append carries an application transaction (the number of the log segment it
came from), so a batch that was already stored is seen to be so: exactly once, from log to table.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake import (
    Schema as DeltaSchema,
)
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from deltalake.writer import ColumnProperties
from pyarrow import parquet

from llm_otel.lake.delta_log import LOG, damage, replay
from llm_otel.lake.failures import first_line
from llm_otel.lake.rebuild import create, finish_rebuild, rebuild
from llm_otel.lake.schema import DAY, Table
from llm_otel.lake.whole import mention, problem, quick_problem

_NO_DICTIONARY: Final = ColumnProperties(dictionary_enabled=False)
# Rows of a file that is not worth compressing.
_FEW: Final = 64
# Files that are forced to the disk at a time.
_SYNCS: Final = 8
# Nearly as small as whole numbers under zstd, and read twice as fast.
_SPLIT: Final = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")


def properties(table: Table) -> WriterProperties:
    """How a file is written: zstd; where values hardly repeat no dictionary, and reals by
    bytes of the same weight."""
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        column_properties={
            c.name: _SPLIT if pa.types.is_floating(c.type) else _NO_DICTIONARY
            for c in table.columns
            if c.unique
        },
    )


class TableStore:
    """One table of the lake on disk. Not for several threads at once."""

    def __init__(self, root: Path, table: Table, *, create: bool = False) -> None:
        self.table = table
        self.path = root / table.name
        self._repeated = [column.name for column in table.columns if not column.unique]
        self._delta: DeltaTable | None = None
        self._listed = -1
        self._days: dict[date, list[tuple[str, int]]] = {}
        # Of each file, below the table's folder, that was looked at: why it cannot be read, None if
        # it can; and the files that were read whole.
        self._problems: dict[str, str | None] = {}
        self._whole: set[str] = set()
        if create:
            self._create()

    def refresh(self) -> DeltaTable | None:
        """The newest version of the table, or None where there is none yet.

        Raises:
            DeltaError: The log of the table is damaged.
        """
        try:
            if self._delta is not None and self._entry(self._delta.version()).exists():
                self._delta.update_incremental()
                return self._delta
        except DeltaError:  # the log entries since then are gone, or the whole table is
            pass
        self._delta = None
        try:
            opened = DeltaTable(str(self.path))
        except TableNotFoundError:
            if any(self.path.glob(f"{DAY}=*/*.parquet")):
                raise DeltaError(f"{self.path / LOG} is lost") from None
            return None
        except Exception as error:
            raise DeltaError(first_line(error)) from error
        broken = damage(self.path)
        if broken:
            raise DeltaError("; ".join(broken))
        self._delta = opened
        return self._delta

    def files(self, since: date | None = None, until: date | None = None) -> list[str]:
        """The readable files of the newest version that hold days from `since` to `until`, both
        included; one that is damaged is left out, and the log says so."""
        return [
            file
            for day, files in self.files_by_day().items()
            if (since is None or day >= since) and (until is None or day <= until)
            for file in files
        ]

    def files_by_day(self) -> dict[date, list[str]]:
        """As `files`, oldest day first."""
        return {
            day: [str(self.path / path) for path, size in files if self._readable(path, size)]
            for day, files in self.days().items()
        }

    def doubt(self, day: date | None = None) -> bool:
        """Read the files whole, after a reader failed; whether one is damaged, which it is from now
        on left out for."""
        before = self.damaged_files()
        for of, files in self.days().items():
            for path, size in files if day in (None, of) else ():
                if self._problems.get(path) is None and path not in self._whole:
                    self._problems[path] = problem(str(self.path / path), size)
                    self._whole.add(path)
        return self.damaged_files() != before

    def log_problems(self) -> list[str]:
        """A sentence for each damage of the table's log."""
        try:
            self.refresh()
        except DeltaError as error:
            return replay(self.path).damage or [f"{self.path / LOG}: {first_line(error)}"]
        return []

    def problems(self) -> Iterator[tuple[Path, int, str]]:
        """The files of the newest version that cannot be read, the bytes that they must have, and
        why; reads all of each."""
        for files in self.days().values():
            for name, size in files:
                path = self.path / name
                reason = problem(str(path), size)
                if reason is not None:
                    yield path, size, reason

    def forget_missing(self) -> None:
        """Take the files out of the table that are not on the disk."""
        self._existing().repair()
        self._listed = -1

    def damaged(self, day: date) -> bool:
        """Whether a file of the day cannot be read."""
        return any(not self._readable(path, size) for path, size in self.days().get(day, ()))

    def damaged_files(self) -> set[str]:
        """Those that are known to be damaged."""
        return {path for path, reason in self._problems.items() if reason is not None}

    def _readable(self, path: str, size: int) -> bool:
        if path not in self._problems:
            self._problems[path] = quick_problem(str(self.path / path), size)
        reason = self._problems[path]
        if reason is not None:
            mention(
                self.path / path,
                "The file %s of the lake is damaged and left out (%s): "
                "`llm-otel lake repair` sets it aside",
                self.path / path,
                reason,
            )
        return reason is None

    def days(self) -> dict[date, list[tuple[str, int]]]:
        """The files of each day, below the table's folder, with their bytes, oldest day first.

        Where the log is damaged, they are those that can be read from it.
        """
        try:
            delta = self.refresh()
        except DeltaError as error:
            return self._replayed(error)
        version = -1 if delta is None else delta.version()
        if delta is not None and version != self._listed:
            actions = pa.table(delta.get_add_actions(flatten=True))
            days: dict[date, list[tuple[str, int]]] = {}
            columns = (f"partition.{DAY}", "path", "size_bytes")
            for day, path, size in zip(*(actions[name].to_pylist() for name in columns)):
                days.setdefault(_date(day), []).append((path, size))
            self._days = dict(sorted(days.items()))
            paths = {path for files in days.values() for path, _ in files}
            self._problems = {path: self._problems[path] for path in self._problems.keys() & paths}
            self._whole &= paths
        elif delta is None:
            self._days = {}
        self._listed = version
        return self._days

    def _replayed(self, error: DeltaError) -> dict[date, list[tuple[str, int]]]:
        state = replay(self.path)
        mention(
            self.path / LOG,
            "The log of the table %s is damaged (%s) and read without that: `llm-otel serve` and "
            "`llm-otel lake repair` write it anew",
            self.table.name,
            "; ".join(state.damage) or first_line(error),
        )
        days: dict[date, list[tuple[str, int]]] = {}
        for path in sorted(state.files):
            if (self.path / path).exists():
                day = date.fromisoformat(path.partition("/")[0].removeprefix(f"{DAY}="))
                days.setdefault(day, []).append((path, (self.path / path).stat().st_size))
        self._listed = -1
        return dict(sorted(days.items()))

    def _entry(self, version: int) -> Path:
        return self.path / LOG / f"{version:020}.json"

    def done(self, application: str) -> int:
        """The last transaction of `application` that the table holds; -1 for none."""
        delta = self.refresh()
        version = delta.transaction_version(application) if delta is not None else None
        return -1 if version is None else version

    def append(self, rows: pa.Table, application: str, transaction: int) -> None:
        """Store `rows` (columns as the schema, without `day`) as one commit, synced to the disk."""
        delta = self._existing()
        before = delta.version()
        added: list[AddAction | RemoveAction] = [
            self._file(part, day) for day, part in _by_day(rows, self.table.time)
        ]
        delta.create_write_transaction(
            added,
            "append",
            self.table.partitioned,
            [DAY],
            commit_properties=CommitProperties(
                app_transactions=[Transaction(application, transaction)]
            ),
        )
        delta.update_incremental()
        self._sync(before, delta.version())

    def _file(self, rows: pa.Table, day: pa.Scalar) -> AddAction:
        """Write a file of one day's rows, quickly: compaction packs them tighter."""
        name = f"{DAY}={day.as_py().isoformat()}/part-{uuid4()}.parquet"
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        # Backfills bring few rows of each of many days: setting up each column is what takes long.
        many = len(rows) > _FEW
        parquet.write_table(
            rows,
            path,
            compression="zstd" if many else "none",
            compression_level=1 if many else None,
            use_dictionary=self._repeated if many else False,
            write_statistics=many,
            write_page_checksum=True,
        )
        times = pc.min_max(rows[self.table.time]).as_py()
        stats = {
            "numRecords": len(rows),
            "minValues": {self.table.time: times["min"].isoformat()},
            "maxValues": {self.table.time: times["max"].isoformat()},
        }
        values: dict[str, str | None] = {DAY: day.as_py().isoformat()}
        now = int(time.time() * 1000)
        return AddAction(name, path.stat().st_size, values, now, True, json.dumps(stats))

    def compact(self, day: date, size: int) -> None:
        """Join the files of `day` that are smaller than `size` bytes into files up to it.

        Raises:
            CommitFailedError: the table was changed otherwise than by appends meanwhile.
        """
        delta = self._existing()
        before = delta.version()
        delta.optimize.compact(
            partition_filters=[(DAY, "=", day.isoformat())],
            target_size=size,
            max_concurrent_tasks=1,
            writer_properties=properties(self.table),
        )
        self._sync(before, delta.version())

    def replace(self, day: date, rows: pa.Table) -> None:
        """Put `rows` in the place of all rows of `day`, which they must hold.

        Raises:
            CommitFailedError: the day was changed meanwhile.
        """
        delta = self._existing()
        before = delta.version()
        write_deltalake(
            delta,
            self._with_day(rows),
            mode="overwrite",
            predicate=f"{DAY} = '{day.isoformat()}'",
            writer_properties=properties(self.table),
        )
        self._sync(before, delta.version())

    def drop_before(self, day: date) -> None:
        """Take out all rows of the days before `day`."""
        self._existing().delete(f"{DAY} < '{day.isoformat()}'")

    def clean(self, hours: int) -> None:
        """Delete files that no version of the last `hours` uses, and the log of older versions."""
        delta = self._existing()
        delta.cleanup_metadata()
        if delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True):
            delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)

    def _create(self) -> None:
        """Make the table, or add the columns that an older one lacks; write a damaged log anew."""
        finish_rebuild(self.path)
        try:
            delta = self.refresh()
        except DeltaError as error:
            mention(self.path / LOG, "%s", rebuild(self.path, self.table, first_line(error)))
            delta = self.refresh()
        if delta is None:
            self.path.mkdir(parents=True, exist_ok=True)
            create(self.path, self.table)
            return
        names = {field.name for field in delta.schema().fields}
        added = [field for field in self.table.schema if field.name not in names]
        if added:
            fields = DeltaSchema.from_arrow(pa.schema(added)).fields
            delta.alter.add_columns(fields)

    def _existing(self) -> DeltaTable:
        delta = self.refresh()
        if delta is None:
            raise TableNotFoundError(str(self.path))
        return delta

    def _with_day(self, rows: pa.Table) -> pa.Table:
        return rows.append_column(DAY, pc.cast(rows[self.table.time], pa.date32()))

    def _sync(self, before: int, now: int) -> None:
        """Force what the versions after `before` added to the disk.

        Delta leaves that to the kernel. Each entry of its log names the files that it adds.
        """
        if now == before:
            return
        files: list[Path] = []
        folders: set[Path] = set()
        for version in range(before + 1, now + 1):
            entry = self._entry(version)
            paths = [entry]
            for line in entry.read_text().splitlines():
                added = json.loads(line).get("add")
                if added:
                    paths.append(self.path / added["path"])
            files += paths
            folders |= {path.parent for path in paths} | {self.path}
        # Files before the folders that name them; at a time, as a disk forces many as fast as few.
        for paths in (files, sorted(folders)):
            with ThreadPoolExecutor(min(len(paths), _SYNCS)) as pool:
                list(pool.map(_fsync, paths))


def _by_day(rows: pa.Table, time: str) -> Iterator[tuple[pa.Scalar, pa.Table]]:
    """The rows of each day; by one sort, as a request may hold thousands of days."""
    days = pc.cast(rows[time], pa.date32())
    counts = pc.value_counts(days).sort("ascending")
    if len(counts) == 1:
        yield counts.field("values")[0], rows
        return
    rows, start = rows.take(pc.sort_indices(days)), 0
    for day, count in zip(counts.field("values"), counts.field("counts").to_pylist()):
        yield day, rows.slice(start, count)
        start += count


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
