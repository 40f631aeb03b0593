"""What a forked child must make anew: locks that a thread of its parent may hold, sums."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable

from llm_otel.base import guard

_locks: dict[tuple[str, str], Callable[[], object]] = {}
_methods: list[weakref.WeakMethod[Callable[[], None]]] = []


def after_in_child(method: Callable[[], None]) -> None:
    """Run a bound method in every forked child, as long as its object lives."""
    _methods[:] = [reference for reference in _methods if reference() is not None]
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
