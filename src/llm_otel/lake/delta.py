"""The lake's tables as Delta tables: the only module that knows the table format.

A commit of Delta is one small file that appears at once or not at all, so a reader sees all of a
batch or nothing. Each append carries an application transaction (the number of the log segment it
came from), so a batch that was already stored is seen to be so: exactly once, from log to table.
"""

from __future__ import annotations

import json
import os
import time
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

from llm_otel.lake.schema import DAY, Table

# Delta keeps what each commit said for this long; the files themselves have a grace of their own.
_CONFIGURATION: Final = {
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
    "delta.checkpointInterval": "50",
}
_NO_DICTIONARY: Final = ColumnProperties(dictionary_enabled=False)
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


class Stored:
    """One table of the lake on disk. Not for several threads at once."""

    def __init__(self, root: Path, table: Table, *, create: bool = False) -> None:
        self.table = table
        self.path = root / table.name
        self._repeated = [column.name for column in table.columns if not column.unique]
        self._delta: DeltaTable | None = None
        self._listed = -1
        self._days: dict[date, list[tuple[str, int]]] = {}
        if create:
            self._create()

    def refresh(self) -> DeltaTable | None:
        """The newest version of the table, or None where there is none yet."""
        try:
            if self._delta is not None:
                self._delta.update_incremental()
                return self._delta
        except DeltaError:  # the log entries since then are gone, or the whole table is
            self._delta = None
        try:
            self._delta = DeltaTable(str(self.path))
        except TableNotFoundError:
            return None
        return self._delta

    def files(self, since: date | None = None, until: date | None = None) -> list[str]:
        """The files of the newest version that hold days from `since` to `until`, both included."""
        return [
            file
            for day, files in self.files_by_day().items()
            if (since is None or day >= since) and (until is None or day <= until)
            for file in files
        ]

    def files_by_day(self) -> dict[date, list[str]]:
        """The files of the newest version, oldest day first."""
        return {
            day: [str(self.path / path) for path, _ in files] for day, files in self.days().items()
        }

    def days(self) -> dict[date, list[tuple[str, int]]]:
        """The files of each day, below the table's folder, with their bytes, oldest day first."""
        delta = self.refresh()
        version = -1 if delta is None else delta.version()
        if delta is not None and version != self._listed:
            actions = pa.table(delta.get_add_actions(flatten=True))
            days: dict[date, list[tuple[str, int]]] = {}
            wanted = (f"partition.{DAY}", "path", "size_bytes")
            for day, path, size in zip(*(actions[name].to_pylist() for name in wanted)):
                days.setdefault(_date(day), []).append((path, size))
            self._days = dict(sorted(days.items()))
        elif delta is None:
            self._days = {}
        self._listed = version
        return self._days

    def done(self, application: str) -> int:
        """The last transaction of `application` that the table holds; -1 for none."""
        delta = self.refresh()
        version = delta.transaction_version(application) if delta is not None else None
        return -1 if version is None else version

    def append(self, rows: pa.Table, application: str, transaction: int) -> None:
        """Store `rows` (columns as the schema, without `day`) as one commit, synced to the disk."""
        delta = self._existing()
        before = delta.version()
        days = pc.cast(rows[self.table.time], pa.date32())
        found = pc.unique(days)
        added: list[AddAction | RemoveAction] = [
            self._file(rows if len(found) == 1 else rows.filter(pc.equal(days, day)), day)
            for day in found
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
        parquet.write_table(
            rows, path, compression="zstd", compression_level=1, use_dictionary=self._repeated
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
        """Make the table, or add the columns that an older one lacks."""
        delta = self.refresh()
        if delta is None:
            self.path.mkdir(parents=True, exist_ok=True)
            DeltaTable.create(
                str(self.path),
                self.table.partitioned,
                partition_by=[DAY],
                name=self.table.name,
                description=self.table.grain,
                configuration=_CONFIGURATION,
            )
            return
        known = {field.name for field in delta.schema().fields}
        added = [field for field in self.table.schema if field.name not in known]
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
        folders = set()
        for version in range(before + 1, now + 1):
            entry = self.path / "_delta_log" / f"{version:020}.json"
            paths = [entry]
            for line in entry.read_text().splitlines():
                added = json.loads(line).get("add")
                if added:
                    paths.append(self.path / added["path"])
            for path in paths:
                _fsync(path)
            folders |= {path.parent for path in paths} | {self.path}
        for folder in folders:
            _fsync(folder)


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
