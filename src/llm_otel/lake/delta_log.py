"""Reading the log of a Delta table that has a damaged entry.

Delta needs every entry: one that cannot be parsed makes the whole table unreadable, and one that
was cut at a line loses what it said without a word. Here an entry says what of it can still be
read, and the files on the disk say the rest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyarrow import parquet

from llm_otel.lake.failures import first_line, of_the_system

LOG: Final = "_delta_log"

_ACTIONS: Final = frozenset(
    {"add", "remove", "txn", "metaData", "protocol", "commitInfo", "cdc", "domainMetadata"}
)
# What a line was about, when it is damaged elsewhere.
_FILE_ACTION: Final = re.compile(rb'\{"(add|remove)":\{"path":"(day=[-0-9]{10}/[-.\w]+)"')
# The name of a file that an append wrote; a joined file has another.
_APPENDED: Final = re.compile(r"part-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet")
# A file is written so many seconds before its entry, at most.
_BEFORE_S: Final = 5.0


@dataclass
class Replay:
    """What the log of a table says.

    Attributes:
        files: The files of the newest version, below the table's folder.
        paths: Every file that an entry names, of older versions too.
        transactions: The newest transaction of each application.
        damage: A sentence for each file of the log that cannot be read as it is.
    """

    files: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    transactions: dict[str, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def apply(self, action: dict[str, Any]) -> None:
        """Take an action over; one of a checkpoint has None for what it is not."""
        if file := action.get("add"):
            self.files.add(file["path"])
            self.paths.add(file["path"])
        if file := action.get("remove"):
            self.files.discard(file["path"])
            self.paths.add(file["path"])
        if transaction := action.get("txn"):
            newest = max(self.transactions.get(transaction["appId"], -1), transaction["version"])
            self.transactions[transaction["appId"]] = newest


def damage(table: Path) -> list[str]:
    """A sentence for each entry since the newest checkpoint that cannot be read as it is.

    Quick: nothing but those entries is opened.
    """
    entries, checkpoints = _listed(table)
    first = max(checkpoints, default=-1) + 1
    versions = range(first, max(entries, default=first - 1) + 1)
    return [
        sentence
        for version in versions
        if (sentence := _entry(table, version, Replay())) is not None
    ]


def replay(table: Path) -> Replay:
    """What the log of a table says, of its damaged files what can be read of them.

    Where an entry is damaged, a file that an append wrote at that time and that no entry names
    belongs to the table too. Where the beginning of the log is lost, every file does that no later
    entry takes out.

    Raises:
        OSError: The system would not read a file: nothing is said about what it holds.
    """
    entries, checkpoints = _listed(table)
    state = Replay()
    first, whole = 0, 0 in entries
    for version, path in sorted(checkpoints.items(), reverse=True):
        try:
            rows = parquet.read_table(path, columns=["add", "remove", "txn"]).to_pylist()
        except Exception as error:  # noqa: BLE001 whatever is in the file
            of_the_system(error)
            state.damage.append(f"{path} cannot be read: {first_line(error)}")
            continue
        for row in rows:
            state.apply(row)
        first, whole = version + 1, True
        break
    windows = []
    for version in range(first, max(entries, default=first - 1) + 1):
        sentence = _entry(table, version, state)
        if sentence is not None:
            state.damage.append(sentence)
            since = _time(entries.get(version - 1), 0.0) - _BEFORE_S
            windows.append((since, _time(entries.get(version + 1), float("inf"))))
    for path in table.glob("day=*/*.parquet"):
        name = path.relative_to(table).as_posix()
        if name in state.paths:
            continue
        at = path.stat().st_mtime
        appended = _APPENDED.fullmatch(path.name) and any(a <= at <= b for a, b in windows)
        if not whole or appended:
            state.files.add(name)
    return state


def _listed(table: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    """The entries and the checkpoints of a log by version."""
    log = table / LOG
    entries = {int(path.stem): path for path in log.glob("*.json") if path.stem.isdecimal()}
    checkpoints = {
        int(path.name.partition(".")[0]): path for path in log.glob("*.checkpoint.parquet")
    }
    return entries, checkpoints


def _entry(table: Path, version: int, state: Replay) -> str | None:
    """Apply an entry to the state; a sentence where it is not whole."""
    path = table / LOG / f"{version:020}.json"
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError as error:
        return f"{path} cannot be read: {error.strerror}"
    wrong, appends, kinds = 0, False, set()
    for line in lines:
        try:
            action = json.loads(line)
            (kind,) = action
            if kind not in _ACTIONS:
                raise ValueError(kind)
            state.apply(action)
        except (ValueError, TypeError, KeyError, AttributeError):
            wrong += 1
            if match := _FILE_ACTION.match(line):
                state.apply({match[1].decode(): {"path": match[2].decode()}})
            continue
        kinds.add(kind)
        if kind == "commitInfo":
            appends = '"Append"' in json.dumps(action)
    if wrong:
        return f"{path} is damaged in {wrong} of {len(lines)} lines"
    if not lines or (appends and not {"add", "txn"} <= kinds):
        return f"{path} is cut: it has {len(lines)} lines"
    return None


def _time(path: Path | None, without: float) -> float:
    try:
        return without if path is None else path.stat().st_mtime
    except OSError:
        return without
