"""Label values within bounds: what breaks its form or comes over the cap becomes `other`."""

from __future__ import annotations

import threading

from llm_otel import semconv
from llm_otel.base import fork


class Labels:
    """Folds label values; counts what it folds.

    Args:
        caps: Label to how many values of it a process may have; labels not named are only held to
            their form, in at most `semconv.MAX_COMBINATIONS` values.
    """

    def __init__(self, caps: dict[str, int]) -> None:
        self._caps = caps
        self._known: dict[str, dict[str, str]] = {
            label: {semconv.NONE: semconv.NONE, semconv.OTHER: semconv.OTHER}
            for label in semconv.FORMS
        }
        self._overflowed: dict[str, int] = {}
        self._lock = threading.Lock()
        fork.after_in_child(self._after_fork)

    def fold(self, label: str, value: str) -> str:
        """The value itself, or `other`."""
        found = self._known[label].get(value)
        return found if found is not None else self._admit(label, value)

    def _admit(self, label: str, value: str) -> str:
        known = self._known[label]
        with self._lock:
            # "none" and "other" take no place
            room = len(known) - 2 < self._caps.get(label, semconv.MAX_COMBINATIONS)
            if room and semconv.well_formed(label, value):
                return known.setdefault(value, value)
        self.overflow(label)
        return semconv.OTHER

    def overflow(self, label: str) -> None:
        """Count a value of `label` that became `other`."""
        with self._lock:
            self._overflowed[label] = self._overflowed.get(label, 0) + 1

    def drain(self) -> dict[str, int]:
        """What was folded since the last time, by label."""
        with self._lock:
            drained, self._overflowed = self._overflowed, {}
        return drained

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._overflowed = {}
