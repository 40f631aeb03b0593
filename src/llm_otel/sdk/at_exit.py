"""The end of a process: what was recorded is exported, and the end is delayed by at most 2 s."""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from llm_otel.base import finalizers, fork, guard
from llm_otel.sdk.exporting import NO_SUCCESS, Outage

# With the time that the interpreter itself takes to end, below the 2 s that we promise.
EXIT_SECONDS = 1.5


class _Closer(threading.Thread):
    """Waits, parked, to shut one provider down: an exiting interpreter starts no more threads."""

    def __init__(self, shutdown: Callable[[], Any]) -> None:
        super().__init__(name="llm-otel-exit", daemon=True)
        self.shutdown = shutdown
        self.go = threading.Event()
        self.done = threading.Event()

    def run(self) -> None:
        self.go.wait()
        try:
            self.shutdown()
        except Exception as exc:  # noqa: BLE001 - an SDK's reader raises what its exporter raised
            guard.handle("exit", exc)
        finally:
            self.done.set()


class AtExit:
    """Shuts providers down at exit, all at once and by one deadline.

    Attributes:
        outage: What the exporters of these providers know of their failures.
    """

    def __init__(self) -> None:
        self.outage = Outage()
        self._closers: list[_Closer] = []
        self._registered = False

    def register(self) -> None:
        """Have `close` called when the process ends; later calls do nothing."""
        if self._registered:
            return
        self._registered = True
        # What exporters make while they are closed (connections) is finalised at exit as well, by
        # a handler that this registers, if it comes after ours. Later it could be too late: gevent
        # has none of its greenlets then.
        weakref.finalize(self, int)
        atexit.register(self.close)
        fork.after_in_child(self._after_fork)
        self._register_with_multiprocessing()

    def watch(self, shutdown: Callable[[], Any]) -> None:
        """Have `shutdown` called when the process ends."""
        closer = _Closer(shutdown)
        closer.start()
        self._closers.append(closer)

    def close(self, seconds: float = EXIT_SECONDS) -> bool:
        """Export what was recorded and shut the providers down; what lasts longer is left.

        Args:
            seconds: Time for everything together.

        Returns:
            Whether everything was finished in time.
        """
        deadline = time.monotonic() + seconds
        finalizers.settle(seconds / 3)
        closers, self._closers = self._closers, []
        self.outage.closing = True
        for closer in closers:
            closer.go.set()
        late = [c for c in closers if not c.done.wait(max(0.0, deadline - time.monotonic()))]
        if late:
            self.outage.begins("exit", f"{NO_SUCCESS}: not in time", "its receiver")
        return not late

    def _after_fork(self) -> None:
        # a child has none of its parent's threads
        closers, self._closers = self._closers, []
        for closer in closers:
            self.watch(closer.shutdown)
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            # it forgets all finalizers in a new child before it calls this
            multiprocessing.register_after_fork(self, AtExit._finalize_in_child)

    def _register_with_multiprocessing(self) -> None:
        """Children of `multiprocessing` end by os._exit: their atexit handlers are not called."""
        multiprocessing = sys.modules.get("multiprocessing.process")
        if multiprocessing is not None and multiprocessing.parent_process() is not None:
            self._finalize_in_child()

    def _finalize_in_child(self) -> None:
        from multiprocessing.util import Finalize

        # the lowest priority is called last
        Finalize(None, self.close, exitpriority=-1000)
