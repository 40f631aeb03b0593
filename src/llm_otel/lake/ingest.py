"""Taking telemetry into a lake: acknowledged when it is on the disk, a row about a second later."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from llm_otel.closing import Closing
from llm_otel.lake.admission import Window, window
from llm_otel.lake.batch import Batches
from llm_otel.lake.log import Log, LogFull, Record, read
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.upkeep import KEEP_ALL, Retention, Upkeep
from llm_otel.lake.writer import Writer

_logger = logging.getLogger("llm_otel.lake")

_SLOWEST_RETRY: Final = 30.0


@dataclass(frozen=True)
class Limits:
    """How much may wait, and for how long.

    Attributes:
        flush_s: Seconds after which what waits is stored.
        flush_bytes: Bytes that are stored sooner.
        pending_bytes: Bytes that may wait in memory; beyond it nothing is accepted.
        retry_s: Seconds after which what could not be stored is tried again; then twice as many.
        free_bytes: Bytes of the disk that are left free; below it nothing is accepted.
    """

    flush_s: float = 1.0
    flush_bytes: int = 8 << 20
    pending_bytes: int = 32 << 20
    free_bytes: int = 64 << 20
    retry_s: float = 1.0


DEFAULT_LIMITS: Final = Limits()


class Busy(RuntimeError):
    """Nothing more is accepted now; the sender may try again in `retry_after` seconds.

    Attributes:
        full: The disk is full, which will last; else too much waits, which will not.
    """

    def __init__(self, reason: str, retry_after: int, *, full: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.full = full


class Ingest(Closing):
    """The one writer of the lake in the folder `path`; also a context manager.

    What an earlier process acknowledged and did not store is stored first, in the background.

    Attributes:
        refusals: What came and could not be taken as it was.

    Raises:
        ConfigError: as `Writer`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limits: Limits = DEFAULT_LIMITS,
        retention: Retention = KEEP_ALL,
    ) -> None:
        self.writer = Writer(path)
        self.limits = limits
        self.refusals = Refusals()
        self._folder = self.writer.path / "log"
        self._left = Log.segments(self._folder)
        self._batches = Batches(
            self.writer.path, self.writer.tables, self.writer.created, self.refusals
        )
        newest = max([number for number, _ in self._left], default=-1)
        first = max(newest, self._batches.last()) + 1
        self._log: Log[Record] = Log(self._folder, first, limits.flush_bytes)
        self._pending = 0
        self._checked = 0.0
        self._full = False
        self._wake = threading.Condition()
        self._closing = False
        self._asked = self._served = 0
        self._thread = threading.Thread(target=self._run, name="llm-otel-lake", daemon=True)
        self._thread.start()
        self._retention = retention
        self._upkeep = Upkeep(self.writer.path, retention)

    def window(self) -> Window:
        """The times of records that the lake takes now."""
        return window(time.time_ns(), self._retention.days)

    def accept(self, signal: int, body: bytes) -> Future[None]:
        """Take a request in protobuf, which the caller knows to be valid; done when it is durable.

        Raises:
            Busy: too much waits to be stored, or the disk is full; nothing was taken.
        """
        self._check_room(len(body))
        record = Record(signal, time.time_ns(), body)
        try:
            done = self._log.append(record, record)
        except LogFull as error:
            raise Busy(
                f"{error}; free some space or choose another folder", 30, full=True
            ) from error
        with self._wake:
            self._pending += len(body)
            if self._pending >= self.limits.flush_bytes:
                self._wake.notify()
        return done

    def flush(self, timeout: float = 60.0) -> None:
        """Wait until all that was accepted before is in the tables.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
        """
        with self._wake:
            self._asked += 1
            ticket = self._asked
            self._wake.notify_all()
            if not self._wake.wait_for(lambda: self._served >= ticket, timeout):
                raise TimeoutError(f"the lake did not store all within {timeout} s")

    def close(self) -> None:
        """Store what is there, and let another process write."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join()
        self._upkeep.close()
        self._log.close()
        self.writer.close()

    def _check_room(self, length: int) -> None:
        if self._pending + length > self.limits.pending_bytes:
            raise Busy("too much waits to be stored: send again later", 1)
        now = time.monotonic()
        if now - self._checked > 1:
            self._checked = now
            self._full = shutil.disk_usage(self.writer.path).free < self.limits.free_bytes
        if self._full:
            raise Busy(f"the disk of {self.writer.path} is full: free some space", 30, full=True)

    def _run(self) -> None:
        self._batches.resume({number for number, _ in self._left})
        for number, path in self._left:
            self._store(number, list(read(path)))
        while True:
            with self._wake:
                self._wake.wait_for(self._due, self.limits.flush_s)
                closing, asked = self._closing, self._asked
            if self._flush(last=closing):
                with self._wake:
                    self._served = asked
                    self._wake.notify_all()
            if closing:
                return

    def _due(self) -> bool:
        due = self._pending >= self.limits.flush_bytes
        return due or self._closing or self._asked > self._served

    def _flush(self, *, last: bool) -> bool:
        """Store all that is in the log by now; whether it could."""
        newest, segment = self._log.segment, -1
        try:
            while segment < newest and (taken := self._log.take()) is not None:
                segment, records = taken
                self._store(segment, records)
                with self._wake:
                    self._pending -= sum(len(record.body) for record in records)
        except LogFull as error:
            if not last:
                _logger.warning("%s; trying again", error)
                time.sleep(self.limits.flush_s)
            return False
        return True

    def _store(self, segment: int, records: Sequence[Record]) -> None:
        """Store a segment and forget it; tries until it succeeds or the lake is closed."""
        wait = 0.0
        while True:
            try:
                if wait:
                    # A commit may have succeeded before it failed: ask the tables.
                    self._batches.resume({segment})
                self._batches.store(segment, records)
                break
            except Exception as error:
                if self._closing:
                    _logger.warning("Segment %s stays in the log: %s", segment, error)
                    return
                if not wait:
                    _logger.exception("The lake could not store a batch and tries again")
                wait = min(2 * wait or self.limits.retry_s, _SLOWEST_RETRY)
                with self._wake:
                    self._wake.wait_for(lambda: self._closing, wait)
        self._log.remove(segment)
