"""Ends that the garbage collector brings: at any moment, in any thread, even inside a lock.

A stream that is dropped is part of a reference cycle, so the collector ends it, in the midst of
whatever allocates next. If that is the SDK or a table of ours with its lock held, ending a call
there would wait for that lock forever: then it is ended a little later.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from types import FrameType

# Modules whose frames may hold a lock that ending a call takes.
_HOLDERS = (
    "opentelemetry.sdk.",
    "opentelemetry.exporter.",
    "llm_otel.core.backlog",
    "llm_otel.core.direct",
    "llm_otel.core.instruments",
    "llm_otel.core.labels",
    "llm_otel.core.ledger",
    "llm_otel.core.sums",
    "llm_otel.pricing.",
    "llm_otel.sdk.",
)

# What ends with the next call or collection.
waiting: deque[Callable[[], None]] = deque()


def end(finish: Callable[[], None]) -> None:
    """End a call now, or with the next call or collection if a lock may be held here.

    Args:
        finish: Ends the call; raises nothing.
    """
    if _may_hold_a_lock(sys._getframe(1)):
        waiting.append(finish)
    else:
        finish()


def work_off() -> None:
    """End what had to wait. To be called with no lock held."""
    while waiting:
        try:
            finish = waiting.popleft()
        except IndexError:  # another thread was quicker
            return
        finish()


def _may_hold_a_lock(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_HOLDERS):
            return True
        frame = frame.f_back
    return False
