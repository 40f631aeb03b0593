"""A hint, once: a call without a parent, while a step is open in another thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

from llm_otel.attribution import NOTHING, current
from llm_otel.base import fork

_logger = logging.getLogger("llm_otel")

# Thread → how many steps were begun there and are open.
_open: dict[int, int] = {}
_lock = threading.Lock()
fork.renew(__name__, "_lock", threading.Lock)
fork.renew(__name__, "_open", dict)

# Empty when the hint was given.
_pending = [True]


def step_began() -> Callable[[], None]:
    """Count a step that is open in this thread; what it gives is called when it ends, anywhere."""
    thread = threading.get_ident()
    _add(thread, 1)
    return lambda: _add(thread, -1)


def _add(thread: int, number: int) -> None:
    with _lock:
        count = _open.get(thread, 0) + number
        if count > 0:
            _open[thread] = count
        else:
            _open.pop(thread, None)


def look(context: Context) -> None:
    """Say so, if a call that begins in this context seems to have lost a step's.

    One with a span or an attribution of its own has not: a server works on other requests, too.
    """
    if not _open or not _pending or threading.get_ident() in _open:
        return
    if trace.get_current_span(context) is INVALID_SPAN and current(context) is NOTHING:
        try:
            _pending.pop()
        except IndexError:  # another thread was quicker
            return
        _logger.warning(
            "A call in the thread %r has no parent span, while a step is open in another thread: "
            "threads do not inherit the context. If the call belongs to the step, give the thread "
            "llm_otel.propagate(function), or set threads=True. Said once.",
            threading.current_thread().name,
        )
