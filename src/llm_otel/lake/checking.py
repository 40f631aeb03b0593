"""Reading a whole lake to find what is damaged, and setting that aside.

Nothing is deleted: what cannot be read goes to the lake's folder `damaged`, or gets a name that
nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llm_otel.lake import segment, state
from llm_otel.lake.delta import TableStore
from llm_otel.lake.failures import first_line
from llm_otel.lake.manifest import MANIFEST, parse_manifest
from llm_otel.lake.rebuild import aside, unnamed
from llm_otel.lake.schema import TABLES
from llm_otel.lake.state import States
from llm_otel.lake.wal import WriteAheadLog
from llm_otel.lake.writer import Writer


def check(path: Path) -> Iterator[str]:
    """A line for each damage of the lake in a folder, after reading everything in it.

    A lake that is being written may be checked: what is under way is not damaged.
    """
    yield from _check_manifest(path)
    yield from _check_state(path)
    yield from _check_log(path)
    for table in TABLES.values():
        store = TableStore(path, table)
        yield from store.log_problems()
        for file, _, reason in store.problems():
            yield f"{file}: {reason}"


def _check_state(path: Path) -> Iterator[str]:
    for _, file in States.files(path / "state"):
        try:
            state.read(file)
        except FileNotFoundError:
            continue  # the writer went on
        except (OSError, ValueError) as error:
            yield f"{file}: {first_line(error)}"


def _check_log(path: Path) -> Iterator[str]:
    for _, file in WriteAheadLog.segments(path / "log"):
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            continue  # it was stored
        except OSError as error:
            yield f"{file}: {first_line(error)}"
            continue
        for part in segment.scan(data):
            if isinstance(part, segment.Unreadable) and data[part.start : part.end].strip(b"\0"):
                yield f"{file}: {part.end - part.start} bytes from {part.start} on are no record"


def repair(path: Path) -> Iterator[str]:
    """Set aside what is damaged in the lake in a folder, and rebuild what can be; a line for each.

    Raises:
        ConfigError: Another process writes the lake.
    """
    manifest_problems = list(_check_manifest(path))
    broken = {
        name: lines
        for name, table in TABLES.items()
        if (lines := TableStore(path, table).log_problems())
    }
    with Writer(path) as writer:  # writes damaged logs of tables and `lake.json` anew
        for line in manifest_problems:
            yield f"{line}: kept as {MANIFEST}.damaged, and written anew"
        for name, lines in broken.items():
            yield f"{'; '.join(lines)}: the log of the table {name} was written anew"
        yield from _repair_state(path)
        yield from _repair_log(path)
        for store in writer.tables.values():
            yield from _repair_files(store)


def _check_manifest(path: Path) -> Iterator[str]:
    """A line where `lake.json` is damaged."""
    try:
        parse_manifest(path / MANIFEST)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        yield f"{path / MANIFEST}: {first_line(error)}"


def _repair_state(path: Path) -> Iterator[str]:
    for _, file in States.files(path / "state"):
        try:
            state.read(file)
        except (OSError, ValueError) as error:
            copy = state.set_aside(file)
            yield (
                f"{file}: {first_line(error)}: kept as {copy.name}; metric series count from "
                "their next point on"
            )


def _repair_log(path: Path) -> Iterator[str]:
    for _, file in WriteAheadLog.segments(path / "log"):
        before = set(file.parent.glob("*.damaged"))
        records = segment.recover(file)
        copies = sorted(set(file.parent.glob("*.damaged")) - before)
        if copies:
            segment.rewrite(file, records)
            names = ", ".join(each.name for each in copies)
            yield f"{file}: kept {names} beside it; {len(records)} requests can be read"


def _repair_files(store: TableStore) -> Iterator[str]:
    problems = list(store.problems())
    if not problems:
        return
    others = {store.path / name for name in unnamed(store.path)}
    for file, size, reason in problems:
        if file.exists():
            copy = aside(store.path, file.relative_to(store.path).as_posix())
            yield f"{file}: {reason}: kept as {copy}"
            continue
        # The name may be what is damaged.
        same = [
            each for each in others if each.parent == file.parent and each.stat().st_size == size
        ]
        if len(same) == 1:
            others.remove(same[0])
            same[0].rename(file)
            yield f"{file}: {reason}: it was there as {same[0].name}"
        else:
            yield f"{file}: {reason}: taken out of the table {store.table.name}"
    for other in sorted(others):
        copy = aside(store.path, other.relative_to(store.path).as_posix())
        yield f"{other}: no entry of the log names it: kept as {copy}"
    store.forget_missing()
