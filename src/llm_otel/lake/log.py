"""The write-ahead log: what was acknowledged is on the disk before it is a row.

A segment is a file of records, each with its length and checksum; a torn tail (a kill in the
middle of a write) ends the segment when it is read. Many requests share one sync: while one runs,
the records of the next gather. A segment lives until its rows are in the tables.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

_HEADER: Final = struct.Struct("<IIBQ")  # length, checksum of the rest, signal, received (ns)
_REST: Final = struct.Struct("<BQ")
LARGEST: Final = 1 << 30

# fdatasync is enough: a file's new length is flushed with it.
_sync = getattr(os, "fdatasync", os.fsync)


class LogFull(OSError):
    """The log could not take a record: the disk is full or broken. Nothing was acknowledged."""


@dataclass(frozen=True)
class Record:
    """One accepted request: `signal` as `llm_otel.lake.decode` numbers them; times in ns."""

    signal: int
    received: int
    body: bytes


def read(path: Path) -> Iterator[Record]:
    """The whole records of a segment, up to its end or its torn tail."""
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum, signal, received = _HEADER.unpack(header)
            if length > LARGEST:
                return
            body = file.read(length)
            if len(body) < length or _checksum(signal, received, body) != checksum:
                return
            yield Record(signal, received, body)


def _checksum(signal: int, received: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_REST.pack(signal, received)))


Item = TypeVar("Item")


class Log(Generic[Item]):
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
        self._waiting: list[Future[None]] = []
        self._items: list[Item] = []
        self._whole: deque[tuple[int, list[Item]]] = deque()
        self._closed = False
        self._broken = False
        self._file = self._begin(segment)
        self._size = 0
        self._thread = threading.Thread(target=self._run, name="llm-otel-log", daemon=True)
        self._thread.start()

    @staticmethod
    def segments(folder: Path) -> list[tuple[int, Path]]:
        """The segments in `folder` by number, oldest first."""
        return sorted((int(path.stem), path) for path in folder.glob("*.log"))

    def append(self, record: Record, item: Item) -> Future[None]:
        """Write a record; the future is done when it is on the disk, or holds a `LogFull`.

        Raises:
            LogFull: it could not be written.
        """
        body = record.body
        checksum = _checksum(record.signal, record.received, body)
        header = _HEADER.pack(len(body), checksum, record.signal, record.received)
        done: Future[None] = Future()
        with self._lock:
            if self._broken or self._size >= self._largest:
                self._next()
            self._write(header + body)
            self._waiting.append(done)
            self._items.append(item)
            self._gathered.notify()
        return done

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
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
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
            # Broken until it is whole again: what follows a torn record cannot be read.
            self._broken = True
            self._file.truncate(self._size)
            self._file.seek(self._size)
            self._broken = False
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
                # A copy of the descriptor: the segment may be rotated away during the sync.
                descriptor = os.dup(self._file.fileno())
            # After a failed sync the kernel may drop what it could not write: nothing may follow.
            self._broken |= not _settle(descriptor, waiting)
            os.close(descriptor)


def _settle(descriptor: int, waiting: list[Future[None]]) -> bool:
    """Sync the file, and tell those who wait; whether it went well."""
    failure: LogFull | None = None
    try:
        _sync(descriptor)
    except OSError as error:
        failure = LogFull(f"the log cannot be synced: {error.strerror}")
    for done in waiting:
        if not done.set_running_or_notify_cancel():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
    return failure is None
