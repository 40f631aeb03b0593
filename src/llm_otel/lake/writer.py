"""Writing a lake: the one process that holds its lock appends, compacts and deletes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from llm_otel.closing import Closing
from llm_otel.errors import ConfigError
from llm_otel.lake.delta import TableStore
from llm_otel.lake.lock import Lock
from llm_otel.lake.manifest import MANIFEST, read_manifest
from llm_otel.lake.schema import TABLES, VERSION

DIRECT: Final = "llm-otel-direct"

Rows: TypeAlias = "pa.Table | Iterable[Mapping[str, Any]]"


class Writer(Closing):
    """Appends rows to the lake in the folder `path`; also a context manager.

    Attributes:
        path: The folder.
        created: When the lake began, in ns.
        tables: The tables by name.

    Raises:
        ConfigError: another process writes there, the folder cannot be written, or a newer
            llm-otel wrote it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = Lock(self.path)
        try:
            self.created = _begin(self.path)
            self.tables = {
                name: TableStore(self.path, table, create=True) for name, table in TABLES.items()
            }
        except BaseException:
            self._lock.release()
            raise

    def append(self, **rows: Rows) -> None:
        """Store rows by table: Arrow tables, or mappings by column name; missing columns are NULL.

        On return the rows are on the disk. Each table is one commit. Nothing is compared with what
        is there: the caller sees to it that no row comes twice.

        Raises:
            ConfigError: there is no such table or column.
        """
        for name, values in rows.items():
            if name not in TABLES:
                raise ConfigError(f"no table {name!r} in the lake: use one of {', '.join(TABLES)}")
            table = conform(name, values)
            if table.num_rows:
                store = self.tables[name]
                store.append(table, DIRECT, store.done(DIRECT) + 1)

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()


def conform(name: str, values: Rows) -> pa.Table:
    """`values` with the columns and types of the table, in its order.

    Raises:
        ConfigError: it has a column that the table has not.
    """
    schema = TABLES[name].schema
    if isinstance(values, pa.Table):
        table, names = values, set(values.column_names)
    else:
        rows = list(values)
        table, names = pa.Table.from_pylist(rows, schema), {key for row in rows for key in row}
    unknown = sorted(names - set(schema.names))
    if unknown:
        raise ConfigError(f"the table {name} has no column {unknown[0]!r}")
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _begin(path: Path) -> int:
    """Write down the schema's version; when the lake began, in ns."""
    manifest = read_manifest(path)
    created: int = manifest.get("created", time.time_ns())
    if not manifest and (path / MANIFEST).exists():
        (path / MANIFEST).replace(path / f"{MANIFEST}.damaged")
    temporary = path / f"{MANIFEST}.new"
    temporary.write_text(json.dumps({"version": VERSION, "created": created}))
    temporary.replace(path / MANIFEST)
    return created
