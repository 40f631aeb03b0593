"""Making a Delta table, and writing the log of one anew where it is damaged."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Final

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import parquet

from llm_otel.lake.delta_log import LOG, replay
from llm_otel.lake.failures import of_the_system
from llm_otel.lake.schema import DAY, Table

ASIDE: Final = "damaged"

# Delta keeps what each commit said for this long; the files themselves have a grace of their own.
_CONFIGURATION: Final = {
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
    "delta.checkpointInterval": "50",
}
_NEW: Final = ".rebuilt"
# Every append has a transaction, by which a cut entry is known.
_APPLICATION: Final = "llm-otel-rebuild"


def create(path: Path, table: Table) -> DeltaTable:
    """An empty table in the folder `path`."""
    return DeltaTable.create(
        str(path),
        table.partitioned,
        partition_by=[DAY],
        name=table.name,
        description=table.grain,
        configuration=_CONFIGURATION,
    )


def aside(table: Path, name: str) -> Path:
    """Move a file or a folder of a table into the lake's folder `damaged`; its new place."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    to = table.parent / ASIDE / stamp / table.name / name
    to.parent.mkdir(parents=True, exist_ok=True)
    while to.exists():
        to = to.with_name(f"{to.name}.again")
    (table / name).rename(to)
    return to


def unnamed(table: Path) -> list[str]:
    """The Parquet files in the folder of a table that no entry of its log names."""
    paths = replay(table).paths
    files = (path.relative_to(table).as_posix() for path in table.glob(f"{DAY}=*/*.parquet"))
    return sorted(name for name in files if name not in paths)


def rebuild(path: Path, table: Table, reason: str) -> str:
    """Write the log of the table in the folder `path` anew from what can be read of it.

    The old log is set aside, and every file whose rows the new one does not have, unless the old
    one said that they are elsewhere.

    Args:
        path: The table's folder.
        table: Which table it is.
        reason: Why the log cannot be used.

    Returns:
        A sentence that says what was done.
    """
    state = replay(path)
    others = set(unnamed(path)) - state.files
    actions = {name: _action(path, name) for name in sorted(state.files)}
    others |= {name for name, action in actions.items() if action is None}
    added: list[AddAction | RemoveAction] = [each for each in actions.values() if each is not None]
    new = path.with_name(path.name + _NEW)
    shutil.rmtree(new, ignore_errors=True)
    delta = create(new, table)
    delta.create_write_transaction(
        added,
        "append",
        table.partitioned,
        [DAY],
        commit_properties=CommitProperties(
            app_transactions=[
                Transaction(*each) for each in {**state.transactions, _APPLICATION: 1}.items()
            ]
        ),
    )
    copies = [aside(path, name) for name in sorted(others) if (path / name).exists()]
    (path / LOG).mkdir(exist_ok=True)  # it may be lost
    old = aside(path, LOG)
    finish_rebuild(path)
    what = "; ".join(state.damage) or reason
    others_kept = f", with {len(copies)} files that are not in it" if copies else ""
    return (
        f"The log of the table {table.name} was damaged ({what}): it was written anew with "
        f"{len(added)} files, and is kept in {old.parent}{others_kept}"
    )


def finish_rebuild(path: Path) -> None:
    """Put a log that was written anew in its place, also after a kill in between."""
    new = path.with_name(path.name + _NEW)
    if (new / LOG).is_dir() and not (path / LOG).exists():
        (new / LOG).rename(path / LOG)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    shutil.rmtree(new, ignore_errors=True)


def _action(path: Path, name: str) -> AddAction | None:
    """The entry of a file; None where it cannot be read."""
    file = path / name
    try:
        rows = parquet.read_metadata(file).num_rows
        size = file.stat().st_size
    except Exception as error:  # noqa: BLE001 pyarrow has many for one cause
        of_the_system(error)
        return None
    day = name.partition("/")[0].removeprefix(f"{DAY}=")
    now = int(time.time() * 1000)
    stats = json.dumps({"numRecords": rows, "minValues": {}, "maxValues": {}})
    return AddAction(name, size, {DAY: day}, now, True, stats)
