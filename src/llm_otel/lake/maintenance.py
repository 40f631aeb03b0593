"""Keeping a lake in shape: small files become large ones, old days go, dead files are deleted.

A file that a reader may still have open is not deleted: what compaction or retention took out of
a table stays on the disk for the grace time, which is also the longest a query may take.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from deltalake.exceptions import CommitFailedError

from llm_otel.lake.delta import TableStore
from llm_otel.lake.failures import first_line
from llm_otel.lake.metrics_compaction import compact_metrics
from llm_otel.lake.reading import Lake
from llm_otel.lake.schema import METRICS, TABLES
from llm_otel.lake.whole import mention

_logger = logging.getLogger("llm_otel.lake")

GRACE_HOURS: Final = 1
ROUND_S: Final = 30.0
_CLEAN_EVERY: Final = 10
_CLOSE_S: Final = 10.0
# The files of a day that is over so long have been joined, and so have those of the next day.
_SETTLED_DAYS: Final = 3

# Size of the files to make, in bytes, and from how many smaller ones on. Two steps, so that a large
# file is not written again for every few small ones.
_STEPS: Final = ((8 << 20, 12), (128 << 20, 16))
_LARGEST: Final = _STEPS[-1][0]


@dataclass(frozen=True)
class Retention:
    """What is kept; None is no limit.

    Attributes:
        days: Days of every table, today included.
        bytes: Bytes of all tables together. The oldest days go first; those of `metrics_hourly`,
            from which the money is read, only when nothing else is left. Today is never deleted.
    """

    days: int | None = None
    bytes: int | None = None


KEEP_ALL: Final = Retention()


def compact(store: TableStore, today: date) -> None:
    """Join small files of each day; a day that is over ends as few files as it can."""
    for day, files in store.days().items():
        if store.damaged(day):  # joining would take the damaged file out of the table
            continue
        if day < today - timedelta(days=1):
            _settle(store, day, files)
            continue
        for target, enough in _STEPS:
            if sum(size < target for _, size in files) >= enough:
                store.compact(day, target)
                break


def _settle(store: TableStore, day: date, files: list[tuple[str, int]]) -> None:
    small = sum(size < _LARGEST for _, size in files)
    if small < 2:
        return
    if store.table is METRICS:
        store.replace(day, compact_metrics(store.files(day, day)))
    else:
        store.compact(day, _LARGEST)


def retain(tables: Mapping[str, TableStore], retention: Retention, today: date) -> None:
    """Take out of the tables what is not to be kept."""
    if retention.days is not None:
        first = today - timedelta(days=retention.days - 1)
        for store in tables.values():
            if any(day < first for day in store.days()):
                store.drop_before(first)
    if retention.bytes is None:
        return
    days = {name: store.days() for name, store in tables.items()}
    size = sum(size for files in days.values() for held in files.values() for _, size in held)
    money = METRICS.name
    for names in ([name for name in days if name != money], [money]):
        for day in sorted({day for name in names for day in days[name] if day < today}):
            if size <= retention.bytes:
                return
            for name in names:
                size -= sum(bytes_ for _, bytes_ in days[name].get(day, ()))
                if day in days[name]:
                    tables[name].drop_before(day + timedelta(days=1))


class Maintenance:
    """Does all of it in the background until it is closed, for the process that holds the lock."""

    def __init__(self, path: Path, retention: Retention) -> None:
        # Tables of its own: a `TableStore` is not for two threads.
        self._tables = {name: TableStore(path, table) for name, table in TABLES.items()}
        self._retention = retention
        self._path = path
        self._lake: Lake | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llm-otel-maintenance", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begin nothing new."""
        self._end.set()

    def close(self) -> None:
        """Finish what is under way, if it ends soon, and stop: a commit is whole or not there."""
        self.end()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        turn = 0
        while not self._end.wait(ROUND_S):
            turn += 1
            self.round(clean=turn % _CLEAN_EVERY == 1)

    def round(self, *, clean: bool) -> None:
        """Once through all tables; what fails is tried again in the next round."""
        began = time.monotonic()
        today = datetime.now(timezone.utc).date()
        for name, store in self._tables.items():
            try:
                compact(store, today)
                # Where a file is missing, one that no version uses may be it.
                if clean and not any(map(store.damaged, store.days())):
                    store.clean(GRACE_HOURS)
            except CommitFailedError as error:
                _logger.debug("%s changed during its compaction: %s", name, error)
            except Exception as error:  # noqa: BLE001 the thread goes on, whatever a library raises
                store.doubt()
                mention(
                    f"{name}: {type(error)}",
                    "The maintenance of the table %s failed: %s",
                    name,
                    first_line(error),
                )
        try:
            retain(self._tables, self._retention, today)
        except Exception as error:  # noqa: BLE001 as above
            _logger.warning("The retention of the lake failed: %s", first_line(error))
        try:
            self._lake = self._lake or Lake(self._path)
            last = today - timedelta(days=_SETTLED_DAYS)
            self._lake.settle(last, GRACE_HOURS * 3600.0, self._end.is_set)
        except Exception as error:  # noqa: BLE001 as above
            mention(
                f"requests: {type(error)}",
                "How the calls of days that are over count was not written down, and is found out "
                "when it is read: %s",
                first_line(error),
            )
        _logger.debug("maintenance took %.1f s", time.monotonic() - began)
