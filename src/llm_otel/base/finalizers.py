"""Handles calls and steps finalised by the garbage collector, which may run while a lock is held.

A finaliser runs in any thread between any two instructions: perhaps inside the lock of a span
processor, an exporter or a logging handler. Ending a span there calls just these, and waits for
that lock forever. Nothing tells which locks a thread holds, so a finaliser never ends anything: it
puts the end into a queue, together with the time. A worker thread ends it; so does the next call,
collection, `uninstrument()` or exit, whichever comes first.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter, time_ns
from typing import NamedTuple

from llm_otel.base import fork

# How long code that leaves a stream waits for the worker to have ended its call (s). Longer only
# where that code holds a lock which the end needs: then the end has to wait for it to go on.
_PATIENCE = 0.1
# How long whoever reads or exports telemetry waits for ends that are under way (s).
_SETTLED = 1.0
# An exception that came up while another was handled is looked through this deep.
_DEEPEST = 16


class Moment(NamedTuple):
    """When something ended.

    Attributes:
        seconds: By the clock of `time.perf_counter()`.
        epoch_ns: By that of `time.time_ns()`.
    """

    seconds: float
    epoch_ns: int


def now() -> Moment:
    """This moment."""
    return Moment(perf_counter(), time_ns())


Finish = Callable[[Moment], None]


class _End(NamedTuple):
    finish: Finish
    at: Moment
    completion: threading.Lock | None = None  # held until it is ended


# Appending to either takes no lock that a finaliser could wait for.
pending: deque[_End] = deque()
_wake: SimpleQueue[None] = SimpleQueue()
# Held by the thread that ends something, and which that is. Only the worker waits for it for ever.
_worker_lock = threading.Lock()
_owner: int | None = None
_worker: threading.Thread | None = None


def may_be_final(exc: BaseException | None) -> bool:
    """Whether code that is left by this exception may run in a finaliser.

    Closing a generator or coroutine and dropping it look the same, as do killing a greenlet and
    dropping it. What goes wrong while one is closed comes with that in its context.
    """
    for _ in range(_DEEPEST):
        if exc is None:
            return False
        if isinstance(exc, GeneratorExit) or type(exc).__name__ == "GreenletExit":
            return True
        exc = exc.__context__
    return False


def defer(finish: Finish) -> None:
    """End something later, as of now. Safe in a finaliser: waits for nothing.

    Args:
        finish: Ends it; gets the time of this call.
    """
    _put(_End(finish, now()))


def end(finish: Finish) -> None:
    """End something before this returns, unless it may be a finaliser that leads here.

    The caller's code may be a finaliser without knowing: a `close()` in the program's own
    `__del__`. So the worker ends it here too, and this waits for the worker, though not for long.

    Args:
        finish: Ends it; gets the time of this call.
    """
    if _can_wait() and not may_be_final(sys.exc_info()[1]):
        _end_and_wait(finish, _PATIENCE)
    else:
        defer(finish)


def _can_wait() -> bool:
    """Whether there is a worker, and this is not the worker itself: it runs others' code."""
    worker = _worker
    return worker is not None and worker.is_alive() and worker.ident != threading.get_ident()


def _end_and_wait(finish: Finish, seconds: float) -> None:
    completion = threading.Lock()
    completion.acquire()
    _put(_End(finish, now(), completion))
    try:
        completion.acquire(timeout=seconds)
    except Exception:  # noqa: BLE001 - gevent's loop itself must not wait
        pass


def _put(ending: _End) -> None:
    pending.append(ending)
    try:
        _wake.put(None)
    except Exception:  # noqa: BLE001 - gevent's queue, in a thread without a loop
        pass


def work_off() -> None:
    """End what waits, with no lock held; returns at once if another thread is at it."""
    if pending and _worker_lock.acquire(blocking=False):
        _work_off()


def settle(seconds: float = _SETTLED) -> None:
    """Have everything ended that was put here before, by the worker if there is one.

    Args:
        seconds: How long to wait. An end may need a lock that the caller holds.
    """
    if not pending and not _worker_lock.locked():
        return
    if _can_wait():
        _end_and_wait(lambda _at: None, seconds)  # the last in the queue
    elif _owner != threading.get_ident() and _worker_lock.acquire(timeout=seconds):
        _work_off()


def _work_off() -> None:
    """End what waits, and release what the caller has acquired."""
    global _owner
    _owner = threading.get_ident()
    try:
        while pending:
            ending = pending.popleft()
            try:
                ending.finish(ending.at)
            finally:
                if ending.completion is not None:
                    ending.completion.release()
    finally:
        _owner = None
        _worker_lock.release()


# ------------------------------------------------------------------ the worker
def ready() -> None:
    """Have a worker for what finalisers will bring. A finaliser itself must start no thread."""
    global _worker
    if _worker is None:
        worker = threading.Thread(target=_work, name="llm-otel-finalizers", daemon=True)
        _worker = worker
        try:
            worker.start()
        except RuntimeError:  # no threads here, or the interpreter is going down
            pass


def _work() -> None:
    wake = _wake
    while True:
        wake.get()
        _worker_lock.acquire()
        try:
            _work_off()
        except BaseException:  # noqa: BLE001 - of a span processor; ours are guarded
            pass


# A child has no worker, and what waits is its parent's to end.
fork.renew(__name__, "pending", deque)
fork.renew(__name__, "_wake", SimpleQueue)
fork.renew(__name__, "_worker_lock", threading.Lock)
fork.renew(__name__, "_worker", lambda: None)
fork.renew(__name__, "_owner", lambda: None)
