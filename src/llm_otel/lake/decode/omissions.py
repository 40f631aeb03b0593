"""What is accepted and not stored: said in the log, once for each kind."""

from __future__ import annotations

import logging
import threading
from typing import Final

_logger = logging.getLogger("llm_otel.lake")

_MOST: Final = 200

_lock = threading.Lock()
_named: set[tuple[str, str]] = set()


def leave_out(kind: str, name: str, reason: str) -> None:
    """Say that telemetry of this name is not stored; again it is not said.

    Args:
        kind: What it is: "metric", "event".
        name: Its name.
        reason: Why, as a clause.
    """
    known = (kind, name)
    if known in _named:
        return
    with _lock:
        if known in _named or len(_named) >= _MOST:
            return
        _named.add(known)
        last = len(_named) == _MOST
    _logger.warning(
        "The %s %r is accepted and not stored: %s.%s",
        kind,
        name[:100],
        reason,
        " Further kinds are not named." if last else "",
    )


def forget() -> None:
    """Say everything again: for tests, and for a process that opens another lake."""
    with _lock:
        _named.clear()
