"""What a lake could not take as it came: counted by kind, with one line in the log for each."""

from __future__ import annotations

import logging
import threading
from collections import Counter

_logger = logging.getLogger("llm_otel.lake")


class Refusals:
    """Counts values and records by the kind of what is wrong with them. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, example: str, number: int = 1) -> None:
        """Count `number` more of `kind`; the first of a kind is logged with its `example`."""
        with self._lock:
            first = kind not in self._counts
            self._counts[kind] += number
        if first:
            _logger.warning(
                "Left out of the figures, as it cannot be right: %s (%s). Correct the sender; "
                "others of this kind are counted, not logged",
                kind,
                example,
            )

    def counts(self) -> dict[str, int]:
        """How many of each kind, since the process began."""
        with self._lock:
            return dict(self._counts)
