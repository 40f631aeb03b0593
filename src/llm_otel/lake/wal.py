"""The write-ahead log: what was acknowledged is on the disk before it is a row.

Many requests share one sync: while one runs, the records of the next gather. A segment
(`llm_otel.lake.segment`) lives until its rows are in the tables.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from llm_otel.lake.segment import Record

# Seconds after which a disk that does not answer is said to be stuck.
STUCK_S: Final = 10.0

_logger = logging.getLogger("llm_otel.lake")

# fdatasync is enough: a file's new length is flushed with it.
_sync = getattr(os, "fdatasync", os.fsync)


class LogFull(OSError):
    """The log could not take a record: the disk is full or broken. Nothing was acknowledged."""


Item = TypeVar("Item")


class WriteAheadLog(Generic[Item]):
    """The log in `folder`. `append` may be called by many threads, the rest by one.

    Beside each record it keeps an item in memory, so that nobody reads a segment that was just
    written.

    Args:
        folder: Where the segments are.
        segment: Number of the first segment to write.
        largest: Bytes after which a segment is followed by the next.

    Attributes:
        segment: The number of the segment that is written to.
    """

    def __init__(self, folder: Path, segment: int, largest: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.segment = segment
        self._largest = largest
        self._lock = threading.Lock()
        self._gathered = threading.Condition(self._lock)
        # Held during a sync, and while the file is closed; taken after `_lock`.
        self._syncing = threading.Lock()
        self._waiting: list[Future[None]] = []
        self._items: list[Item] = []
        self._whole: deque[tuple[int, list[Item]]] = deque()
        self._closed = False
        self._broken = False
        # Since when the disk is waited for (monotonic), for a write and for a sync.
        self._writing_since: float | None = None
        self._syncing_since: float | None = None
        self._file = self._begin(segment)
        self._size = 0
        self._thread = threading.Thread(target=self._run, name="llm-otel-log", daemon=True)
        self._thread.start()

    @staticmethod
    def segments(folder: Path) -> list[tuple[int, Path]]:
        """The segments in `folder` by number, oldest first."""
        return sorted(
            (int(path.stem), path) for path in folder.glob("*.log") if path.stem.isdecimal()
        )

    def problem(self) -> str | None:
        """Why nothing can be acknowledged, as a sentence; None where all is well."""
        if not self._thread.is_alive() and not self._closed:
            return "the thread that syncs the log has ended: start llm-otel again"
        now = time.monotonic()
        for doing, since in (("written", self._writing_since), ("synced", self._syncing_since)):
            if since is not None and now - since > STUCK_S:
                return f"the log {self.folder} is being {doing} for {now - since:.0f} s: is the "\
                    "disk stuck?"  # fmt: skip
        return None

    def append(self, record: Record, item: Item) -> Future[None]:
        """Write a record; the future is done when it is on the disk, or holds a `LogFull`.

        Raises:
            LogFull: it could not be written.
        """
        encoded = record.encoded()
        durable: Future[None] = Future()
        with self._lock:
            self._writing_since = time.monotonic()
            try:
                if self._broken or self._size >= self._largest:
                    self._next()
                self._write(encoded)
            finally:
                self._writing_since = None
            self._waiting.append(durable)
            self._items.append(item)
            self._gathered.notify()
        return durable

    def take(self) -> tuple[int, list[Item]] | None:
        """The number and the items of the oldest segment, which nothing is added to any more.

        None where there is no record. The items are as durable as their futures say.

        Raises:
            LogFull: no other segment could be begun; this one goes on.
        """
        with self._lock:
            if not self._whole and self._items:
                self._next()
            return self._whole.popleft() if self._whole else None

    def _next(self) -> None:
        """Close the segment, with all of it on the disk, and begin the next."""
        new = self._begin(self.segment + 1)
        with self._syncing:
            _settle(self._file.fileno(), self._waiting)
            self._file.close()
        self._whole.append((self.segment, self._items))
        self.segment += 1
        self._file, self._size, self._broken = new, 0, False
        self._waiting, self._items = [], []

    def remove(self, segment: int) -> None:
        """Forget a segment whose rows are stored."""
        self._path(segment).unlink(missing_ok=True)

    def close(self) -> None:
        """Sync what is there and stop."""
        with self._lock:
            self._closed = True
            self._gathered.notify()
        self._thread.join()
        self._file.close()

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:016}.log"

    def _begin(self, segment: int) -> Any:
        """A new segment, its name in the folder on the disk too."""
        try:
            file = self._path(segment).open("wb", buffering=0)
            try:
                folder = os.open(self.folder, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            except OSError:
                file.close()
                raise
        except OSError as error:
            raise LogFull(f"the log cannot begin a segment: {error.strerror}") from error
        return file

    def _write(self, data: bytes) -> None:
        """Write all of `data` or nothing of it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            # Broken until it is whole again: what follows a torn record is hard to read.
            self._broken = True
            try:
                self._file.truncate(self._size)
                self._file.seek(self._size)
                self._broken = False
            except OSError:
                _logger.debug("A torn record stays at the end of a segment", exc_info=True)
            raise LogFull(f"the log cannot be written: {error.strerror}") from error
        self._size += len(data)

    def _run(self) -> None:
        """Sync for all who wait, again and again."""
        while True:
            with self._lock:
                while not self._waiting and not self._closed:
                    self._gathered.wait()
                if not self._waiting:
                    return
                waiting, self._waiting = self._waiting, []
                self._syncing.acquire()
            self._syncing_since = time.monotonic()
            try:
                # After a failed sync the kernel may drop what it could not write: nothing may
                # follow.
                self._broken |= not _settle(self._file.fileno(), waiting)
            finally:
                self._syncing_since = None
                self._syncing.release()


def _settle(descriptor: int, waiting: list[Future[None]]) -> bool:
    """Sync the file, and tell those who wait; whether it went well."""
    failure: LogFull | None = None
    try:
        _sync(descriptor)
    except OSError as error:
        failure = LogFull(f"the log cannot be synced: {error.strerror}")
    for future in waiting:
        if not future.set_running_or_notify_cancel():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
    return failure is None
