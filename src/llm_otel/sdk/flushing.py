"""Exports what was recorded so far while the process goes on, of all signals at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from llm_otel.base import finalizers, guard


class _Flush(threading.Thread):
    """Flushes one provider; a daemon, as an exporter may hang for longer than anybody waits."""

    def __init__(self, provider: Any, seconds: float) -> None:
        super().__init__(name="llm-otel-flush", daemon=True)
        self._provider = provider
        self._milliseconds = int(seconds * 1000)
        self.complete = False

    def run(self) -> None:
        try:
            self.complete = self._provider.force_flush(self._milliseconds) is not False
        except Exception as exc:  # noqa: BLE001 - an SDK's reader raises what its exporter raised
            guard.handle("flush", exc)


def flush(providers: Iterable[Any], seconds: float) -> bool:
    """Flush providers, all at once and by one deadline.

    Args:
        providers: Those of an SDK; what has no `force_flush()` is left out.
        seconds: Time for everything together.

    Returns:
        Whether every provider said in time that it has exported everything.
    """
    deadline = time.monotonic() + seconds
    finalizers.settle(seconds / 3)
    flushes = [_Flush(each, seconds) for each in providers if hasattr(each, "force_flush")]
    for each in flushes:
        each.start()
    for each in flushes:
        each.join(max(0.0, deadline - time.monotonic()))
    return all(each.complete for each in flushes)
