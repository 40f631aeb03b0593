"""SIGTERM in a program that has no handler for it: export what was recorded, then die by it.

A handler of Python runs in the main thread only, between two instructions. So it must not export
itself, as the main thread may hold a lock that the export needs; and it does not run at all while
the main thread is in a call into C that goes on after a signal, such as a database driver's. A
thread exports instead. It is woken by `faulthandler`, whose handler of signals is written in C and
writes to a pipe at once; what it writes does not matter. A program that becomes a daemon closes
that pipe with all its files: then a thread is started by Python's handler.

What a program sets for SIGTERM, before or later, replaces all of this or is left as it is.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from llm_otel.base import fork, guard
from llm_otel.core import endings
from llm_otel.sdk import setup
from llm_otel.sdk.at_exit import EXIT_SECONDS

_logger = logging.getLogger("llm_otel")

# What a shell calls the exit code of a process that died by SIGTERM.
_EXIT_CODE: Final = 128 + signal.SIGTERM
# How long the main thread waits for the export, which ends open calls first (s).
_PATIENCE: Final = EXIT_SECONDS + 0.25


class SigtermFlush:
    """Exports when SIGTERM would end the process, and ends it as SIGTERM would have.

    Args:
        export: Exports what was recorded, within the seconds that it is called with.
    """

    def __init__(self, export: Callable[[float], object]) -> None:
        self._export = export
        self._pipe: tuple[int, int] | None = None
        self._exported = threading.Lock()
        self._dying = False
        self._hooked = False

    def install(self) -> None:
        """Handle SIGTERM, if nothing else does; a second time does nothing. Never raises."""
        try:
            present = signal.getsignal(signal.SIGTERM)
            if os.name != "posix" or present in (self._handle, signal.SIG_IGN):
                return
            if present is not signal.SIG_DFL or _has_handler_in_c():
                _logger.info(
                    "llm-otel: SIGTERM has a handler already, which is kept; if the process ends "
                    "there without atexit handlers, call llm_otel.flush() before it does."
                )
            elif threading.current_thread() is not threading.main_thread():
                _refuse("instrument() was not called in the main thread")
            elif _on_gevent():
                _refuse("its threads are gevent's; call llm_otel.flush() in a handler of your own")
            else:
                self._start()
                # Whoever replaced its handler did not tell it: it would take it for set.
                faulthandler.unregister(signal.SIGTERM)
                signal.signal(signal.SIGTERM, self._handle)
                self._listen()
                self._hook_forks()
        except Exception as exc:  # noqa: BLE001 - no thread, no pipe: the program goes on
            guard.handle("sigterm", exc)

    def remove(self) -> None:
        """Give SIGTERM its default action back, if nobody has changed it since `install()`."""
        if self._installed and threading.current_thread() is threading.main_thread():
            faulthandler.unregister(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @property
    def _installed(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self._handle

    def _start(self) -> None:
        """Have a thread that waits for a signal."""
        if self._pipe is not None:
            return
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_inheritable(end, False)
        os.set_blocking(self._pipe[1], False)
        self._exported = threading.Lock()
        self._exported.acquire()
        threading.Thread(
            target=self._wait, args=(self._pipe[0],), name="llm-otel-sigterm", daemon=True
        ).start()

    def _listen(self) -> None:
        """Have the thread woken by the signal itself, before Python's handler is called."""
        if self._pipe is not None:
            faulthandler.register(signal.SIGTERM, file=self._pipe[1], all_threads=False, chain=True)

    def _wait(self, pipe: int) -> None:
        try:
            while os.read(pipe, 65536):
                if self._installed:
                    self._end()
                # else a handler of the program's: there is nothing to do for us
        except OSError:
            pass
        # Its number may soon be that of a file of the program's: nothing must be written to it.
        self._pipe = None
        if self._installed:
            faulthandler.unregister(signal.SIGTERM)

    def _end(self) -> None:
        """Export, and die; where only the main thread can do that, have it do so."""
        set_action = _action_setter()
        try:
            self._export(EXIT_SECONDS)
        except Exception as exc:  # noqa: BLE001
            guard.handle("sigterm", exc)
        self._exported.release()
        if set_action is not None:
            set_action()
            _die()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        """In the main thread: wait for the export, then die, even if the thread hangs."""
        if self._dying:
            return
        self._dying = True
        if self._pipe is None:
            start_new_thread(self._end, ())
        else:
            with suppress(OSError):  # full: the thread is awake
                os.write(self._pipe[1], b"\n")
        self._exported.acquire(timeout=_PATIENCE)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die()

    # ------------------------------------------------------------------ forks
    def _hook_forks(self) -> None:
        if self._hooked or not hasattr(os, "register_at_fork"):
            return
        self._hooked = True
        # A child shares the pipe with its parent, and Python forgets signals that come before it
        # has prepared the child. So those wait in the kernel until the child has its own pipe.
        os.register_at_fork(before=self._hold_signal, after_in_parent=self._release_signal)
        fork.after_in_child(self._renew)

    def _hold_signal(self) -> None:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def _release_signal(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)

    def _renew(self) -> None:
        pipe, self._pipe, self._dying = self._pipe, None, False
        try:
            for end in pipe or ():
                os.close(end)
            if self._installed:
                self._start()
                self._listen()
        finally:
            self._release_signal()


class _Forking(threading.local):
    mask: Iterable[int] = ()


_forking = _Forking()


def _on_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _refuse(why: str) -> None:
    _logger.warning("llm-otel: flush_on_sigterm does nothing: %s.", why)


def _has_handler_in_c() -> bool:
    """Whether SIGTERM has a handler that Python's `getsignal()` does not see: a library's."""
    try:
        import ctypes

        get_signal = ctypes.pythonapi.PyOS_getsig
        get_signal.argtypes, get_signal.restype = (ctypes.c_int,), ctypes.c_void_p
    except (ImportError, AttributeError):  # another Python than CPython
        return False
    return get_signal(signal.SIGTERM) is not None


def _action_setter() -> Callable[[], Any] | None:
    """Sets SIGTERM's default action from any thread, which Python's `signal()` does not."""
    try:
        import ctypes

        set_signal = ctypes.pythonapi.PyOS_setsig
        set_signal.argtypes, set_signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    except (ImportError, AttributeError):  # another Python than CPython
        return None
    return lambda: set_signal(signal.SIGTERM, None)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    # The first process of a container: the kernel spares it the default action.
    os._exit(_EXIT_CODE)


def _export(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    endings.end_open()
    setup.shut_down(seconds)
    setup.flush(max(0.0, deadline - time.monotonic()))


_flush = SigtermFlush(_export)
install, remove = _flush.install, _flush.remove
