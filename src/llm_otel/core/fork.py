"""What a forked child must forget: locks held by threads it does not have, sums of its parent."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from llm_otel import semconv
from llm_otel.core import guard

_locks: dict[tuple[str, str], Callable[[], object]] = {}
_methods: list[weakref.WeakMethod[Callable[[], None]]] = []


def after_in_child(method: Callable[[], None]) -> None:
    """Run a bound method in every forked child, as long as its object lives."""
    _methods[:] = [known for known in _methods if known() is not None]
    _methods.append(weakref.WeakMethod(method))


def renew(module: str, name: str, make: Callable[[], object]) -> None:
    """Make a module's lock anew in every forked child: a thread that it does not have may hold it.

    Args:
        module: The module's `__name__`.
        name: Of the lock in it.
        make: Gives a new one.
    """
    _locks[module, name] = make


def _run_in_child() -> None:
    for (module, name), make in _locks.items():
        setattr(sys.modules[module], name, make())
    for reference in _methods:
        alive = reference()
        if alive is not None:
            try:
                alive()
            except Exception as exc:  # noqa: BLE001
                guard.handle("fork", exc)


# One hook for all: what is registered here can never be taken out again.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_in_child)


def forget_measurements(instrument: Any) -> None:
    """Drop what the SDK holds of our instruments, so that a child's metrics start at 0.

    The SDK keeps a parent's sums in a child, so a pre-forking server would report them once per
    worker. It has no public way to drop them; the private tables used here are the same from SDK
    1.44 and 1.45, and `tests/unit/test_fork.py` proves that it works.

    Args:
        instrument: Any synchronous instrument of ours; the API's proxy is followed.
    """
    real = getattr(instrument, "_real_instrument", None) or instrument
    consumer = getattr(real, "_measurement_consumer", None)
    if consumer is None:
        return
    consumer._lock = threading.Lock()
    for storage in consumer._reader_storages.values():
        storage._lock = threading.RLock()
        matches = storage._instrument_view_instrument_matches
        for known in list(matches):
            if known.instrumentation_scope.name == semconv.SCOPE:
                del matches[known]
