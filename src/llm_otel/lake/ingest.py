"""Taking telemetry into a lake: acknowledged when it is on the disk, a row about a second later."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llm_otel.closing import Closing
from llm_otel.lake.admission import Window, window
from llm_otel.lake.batch import Batches
from llm_otel.lake.failures import first_line
from llm_otel.lake.maintenance import KEEP_ALL, Maintenance, Retention
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.segment import Record, recover
from llm_otel.lake.wal import LogFull, WriteAheadLog
from llm_otel.lake.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logging.getLogger("llm_otel.lake")

_SLOWEST_RETRY: Final = 5.0
# Seconds after which a batch that could not be stored, or that is being stored, is a problem.
_FAILING_S: Final = 10.0
_HANGING_S: Final = 60.0
# How long what is under way may take when the lake is closed.
_CLOSE_S: Final = 15.0
# Errors that pass: no file descriptor is left.
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE})


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
    pending_bytes: int = 64 << 20
    free_bytes: int = 64 << 20
    retry_s: float = 1.0


DEFAULT_LIMITS: Final = Limits()


class Busy(RuntimeError):
    """Nothing more is accepted now; the sender may try again in `retry_after` seconds.

    Attributes:
        full: Nothing can be stored, as where the disk is full, which will last; else too much
            waits, which will not.
    """

    def __init__(self, reason: str, retry_after: int, *, full: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.full = full


class Ingest(Closing):
    """The one writer of the lake in the folder `path`; also a context manager.

    What an earlier process acknowledged and did not store is stored first, in the background.
    `watch` gets the rows of `calls` that are new, each once, when they are in the tables.

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
        watch: Callable[[pa.Table], None] | None = None,
    ) -> None:
        self.writer = Writer(path)
        self.limits = limits
        self.refusals = Refusals()
        self._folder = self.writer.path / "log"
        self._left = WriteAheadLog.segments(self._folder)
        self._batches = Batches(
            self.writer.path, self.writer.tables, self.writer.created, self.refusals, watch
        )
        newest = max([number for number, _ in self._left], default=-1)
        first = max(newest, self._batches.last()) + 1
        self._log: WriteAheadLog[Record] = WriteAheadLog(self._folder, first, limits.flush_bytes)
        self._pending = 0
        self._checked = 0.0
        self._disk: str | None = None
        self._wake = threading.Condition()
        self._closing = False
        self._flush_requests = self._flushes = 0
        self._gave_up = False
        # Since when (monotonic) a batch cannot be stored, and why; since when one is being stored.
        self._failing_since: float | None = None
        self._failure = ""
        self._storing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="llm-otel-lake", daemon=True)
        self._thread.start()
        self._retention = retention
        self._maintenance = Maintenance(self.writer.path, retention)

    def problem(self) -> str | None:
        """Why nothing can be acknowledged or stored, as a sentence; None where all is well."""
        if not self._thread.is_alive() and not self._closing:
            return f"the thread that writes the lake has ended: {self._failure or 'start it again'}"
        now = time.monotonic()
        failing_since, storing_since = self._failing_since, self._storing_since
        if failing_since is not None and now - failing_since > _FAILING_S:
            return f"the lake cannot be written for {now - failing_since:.0f} s: {self._failure}"
        if storing_since is not None and now - storing_since > _HANGING_S:
            return f"a batch is being written for {now - storing_since:.0f} s: is the disk stuck?"
        return self._log.problem() or self._disk_problem()

    def unstored(self) -> list[Path]:
        """The segments of the log that are durable and not rows yet."""
        return [path for _, path in WriteAheadLog.segments(self._folder) if path.stat().st_size]

    def window(self) -> Window:
        """The times of records that the lake takes now."""
        return window(time.time_ns(), self._retention.days)

    def accept(self, signal: int, body: bytes) -> Future[None]:
        """Take a request in protobuf, which the caller knows to be valid; done when it is durable.

        Raises:
            Busy: too much waits to be stored, or nothing can be; nothing was taken.
        """
        problem = self.problem()
        if problem is not None:
            raise Busy(problem, 30, full=True)
        if self._pending + len(body) > self.limits.pending_bytes:
            raise Busy("too much waits to be stored: send again later", 1)
        record = Record(signal, time.time_ns(), body)
        try:
            durable = self._log.append(record, record)
        except LogFull as error:
            raise Busy(
                f"{error}; free some space or choose another folder", 30, full=True
            ) from error
        with self._wake:
            self._pending += len(body)
            if self._pending >= self.limits.flush_bytes:
                self._wake.notify()
        return durable

    def flush(self, timeout: float = 60.0) -> None:
        """Wait until all that was accepted before is in the tables.

        Raises:
            TimeoutError: it took longer than `timeout` seconds, or cannot be.
        """
        with self._wake:
            self._flush_requests += 1
            ticket = self._flush_requests
            self._wake.notify_all()
            self._wake.wait_for(
                lambda: self._flushes >= ticket or not self._thread.is_alive(), timeout
            )
            if self._flushes < ticket:
                reason = self.problem() or f"it takes longer than {timeout} s"
                raise TimeoutError(f"the lake did not store all: {reason}")

    def close(self) -> None:
        """Store what is there, and let another process write.

        What could not be stored stays in the log for the next start.
        """
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._maintenance.end()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            # It may still write: nothing is taken from under it, and the lock ends with it.
            _logger.warning("The lake does not end: %s", "a batch is still being written")
            return
        self._maintenance.close()
        self._log.close()
        self.writer.close()

    def _disk_problem(self) -> str | None:
        now = time.monotonic()
        if now - self._checked > 1:
            self._checked = now
            path = self.writer.path
            try:
                full = shutil.disk_usage(path).free < self.limits.free_bytes
            except OSError as error:
                self._disk = f"the lake {path} cannot be reached: {error.strerror}"
            else:
                self._disk = f"the disk of {path} is full: free some space" if full else None
        return self._disk

    def _run(self) -> None:
        try:
            if self._resume():
                self._work()
        except BaseException as error:
            self._failure = first_line(error)
            _logger.exception("The lake can no longer be written")
        with self._wake:
            self._wake.notify_all()

    def _resume(self) -> bool:
        """Store what an earlier process left in the log; False: closed before it was."""
        if not self._tries(
            "The lake could not be read and is tried again",
            lambda: self._batches.resume({number for number, _ in self._left}),
        ):
            return False
        return all(self._store_left(number, path) for number, path in self._left)

    def _store_left(self, number: int, path: Path) -> bool:
        records: list[Record] = []

        def load() -> None:
            try:
                records[:] = recover(path)
            except OSError as error:
                if error.errno in _PASSING:
                    raise
                damaged = path.with_suffix(".damaged")
                path.replace(damaged)
                _logger.warning(
                    "The log %s cannot be read (%s) and is kept", damaged, error.strerror
                )

        return self._tries(f"The log {path} could not be read", load) and self._store(
            number, records
        )

    def _work(self) -> None:
        """Store what comes, until it is closed."""
        while True:
            with self._wake:
                self._wake.wait_for(self._due, self.limits.flush_s)
                closing, ticket = self._closing, self._flush_requests
            if self._flush(last=closing):
                with self._wake:
                    self._flushes = ticket
                    self._wake.notify_all()
            # `_flush` may have been asked to give up after `closing` was looked at.
            if closing or self._gave_up:
                return

    def _due(self) -> bool:
        due = self._pending >= self.limits.flush_bytes
        return due or self._closing or self._flush_requests > self._flushes

    def _flush(self, *, last: bool) -> bool:
        """Store all that is in the log by now; whether it could."""
        newest, segment = self._log.segment, -1
        try:
            while segment < newest and (batch := self._log.take()) is not None:
                segment, records = batch
                if not self._store(segment, records):
                    return False
                with self._wake:
                    self._pending -= sum(len(record.body) for record in records)
        except LogFull as error:
            if not last:
                self._fails(error, "The log goes on in its old file and tries again")
                time.sleep(self.limits.flush_s)
            return False
        self._failing_since = None
        return True

    def _store(self, segment: int, records: Sequence[Record]) -> bool:
        """Store a segment and forget it; False: it could not be, and the lake is closed.

        Nothing may be stored after a segment that could not be: the tables remember the newest.
        """
        again = False

        def store() -> None:
            nonlocal again
            if again:
                # A commit may have succeeded before it failed: ask the tables.
                self._batches.resume({segment})
            again = True
            self._batches.store(segment, records)
            self._log.remove(segment)

        if self._tries("The lake could not store a batch and tries again", store):
            return True
        self._gave_up = True
        _logger.warning("Segment %s stays in the log: %s", segment, self._failure)
        return False

    def _tries(self, what: str, work: Callable[[], None]) -> bool:
        """Do `work` again and again until it succeeds, or the lake is closed; whether it did."""
        wait = self.limits.retry_s
        while True:
            self._storing_since = time.monotonic()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 panics of the table format, too
                self._storing_since = None
                self._fails(error, what)
            else:
                self._storing_since = self._failing_since = None
                return True
            with self._wake:
                if self._wake.wait_for(lambda: self._closing, wait):
                    return False
            wait = min(2 * wait, _SLOWEST_RETRY)

    def _fails(self, error: BaseException, what: str) -> None:
        """Remember why, and say it the first time."""
        self._failure = first_line(error)
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            _logger.warning("%s: %s", what, self._failure, exc_info=_unexpected(error))


def _unexpected(error: BaseException) -> bool:
    """Whether a traceback helps: not where the system only said what it cannot do."""
    return not isinstance(error, OSError)
