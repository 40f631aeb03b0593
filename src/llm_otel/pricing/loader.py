"""Loads the price table on a thread of its own, and keeps it fresh when asked to."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from llm_otel.base import fork
from llm_otel.pricing import table
from llm_otel.pricing.table import Table

logger = logging.getLogger("llm_otel")

_MAX_DEFERRED = 10_000
_FORK_WAIT_S = 5.0

# Held while genai-prices is imported. A child forked in the middle of an import could never
# finish it: the import's lock belongs to a thread that the child does not have.
_importing = threading.Lock()
_forking = threading.local()


def _before_fork() -> None:
    _forking.holds = _importing.acquire(timeout=_FORK_WAIT_S)


def _after_fork_in_parent() -> None:
    if _forking.holds:
        _importing.release()


def _after_fork_in_child() -> None:
    global _importing
    _importing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


class Loader:
    """Publishes a `Table` once it is loaded, then runs what waited for it.

    Args:
        publish: Gets each new table, on the loader's thread.
        update: Fetch the newest table at once and then every `interval_s`.
        url: Where from; None for genai-prices' repository.
        interval_s: Seconds between two fetches.

    Attributes:
        ready: The table was published, or will never be.
    """

    def __init__(
        self,
        publish: Callable[[Table], None],
        *,
        update: bool = False,
        url: str | None = None,
        interval_s: float = 3600.0,
    ) -> None:
        self._publish = publish
        self._update = update
        self._url = url
        self._interval_s = interval_s
        self.ready = False
        self._reset()
        fork.after_in_child(self._reset)

    def _reset(self) -> None:
        """Start from scratch, but for a table that is there: a child has none of the threads."""
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # A child drops what waited in its parent: the parent will run it.
        self._deferred: list[Callable[[], None]] = []
        if self.ready:
            self._done.set()

    def start(self) -> None:
        """Begin to load in the background; never blocks, may be called again at any time."""
        if self.ready and not self._update:
            return
        with self._lock:
            if self._thread is not None or (self.ready and not self._update):
                return
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name="llm-otel-prices", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the updates; a table that is there stays."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            if self.ready:  # else it goes on loading: somebody may wait for it
                self._thread = None

    def wait(self, timeout: float) -> bool:
        """Whether the table is there and what waited for it has run, at the latest in `timeout`."""
        if self._thread is None and not self.ready:
            return False
        # Nearly every call comes when all is there, and need not take the event's lock.
        return self._done.is_set() or self._done.wait(timeout)

    def defer(self, fn: Callable[[], None]) -> None:
        """Run `fn` once the table is there: at once if it is, or if too many wait already."""
        if not self.ready:
            self.start()
            with self._lock:
                if not self.ready and len(self._deferred) < _MAX_DEFERRED:
                    self._deferred.append(fn)
                    return
        fn()

    def _run(self, stop: threading.Event) -> None:
        if not self.ready:
            self._load()
            with self._lock:
                self.ready = True
                waiting, self._deferred = self._deferred, []
            for fn in waiting:
                self._run_deferred(fn)
            self._done.set()
        while self._update and not stop.is_set():
            self._fetch()
            stop.wait(self._interval_s)

    def _load(self) -> None:
        try:
            with _importing:
                prices = table.bundled()
            self._publish(prices)
        except Exception as error:  # noqa: BLE001
            logger.warning(
                "llm-otel could not load the prices of genai-prices (%s): costs are unknown "
                "except where the setting `prices` gives them.",
                type(error).__name__,
            )

    def _fetch(self) -> None:
        from opentelemetry.instrumentation.utils import suppress_instrumentation

        try:
            with suppress_instrumentation():
                newest = table.fetched(self._url)
            if newest is not None:
                self._publish(newest)
        except Exception as error:  # noqa: BLE001
            logger.warning(
                "llm-otel could not fetch newer prices (%s) and goes on with those it has.",
                type(error).__name__,
            )

    @staticmethod
    def _run_deferred(fn: Callable[[], None]) -> None:
        try:
            fn()
        except Exception as error:  # noqa: BLE001
            logger.warning(
                "llm-otel failed to price a call that ended before the prices were loaded (%s).",
                type(error).__name__,
            )
