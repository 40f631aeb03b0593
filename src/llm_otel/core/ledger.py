"""Count what is polled once: responses and batches, by id, in this process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from llm_otel.base import fork

if TYPE_CHECKING:
    from llm_otel.core.rollup.sums import Rollup

# Ids remembered. The oldest go first: an id polled again after 10,000 others counts again.
CAPACITY = 10_000


class Beginning(NamedTuple):
    """Who began work that is polled.

    Attributes:
        labels: Of its series.
        rollup: The sums of the workflow or agent around it.
    """

    labels: dict[str, str]
    rollup: Rollup | None


class Ledger:
    """Ids of work that goes on at the provider, who began it, and whether it was counted."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._begun: OrderedDict[str, Beginning] = OrderedDict()
        self._counted: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        fork.after_in_child(self._after_fork)

    def begin(self, key: str, by: Beginning) -> bool:
        """Remember whose the usage of `key` is when it comes; False: somebody else has it."""
        with self._lock:
            if key in self._begun:
                return False
            self._begun[key] = by
            if len(self._begun) > self._capacity:
                self._begun.popitem(last=False)
            return True

    def awaits(self, key: str) -> bool:
        """Whether this process began `key` and its usage was not counted yet."""
        with self._lock:
            return key in self._begun

    def claim(self, key: str) -> tuple[bool, Beginning | None]:
        """Whether `key` is to be counted now (True once), and who began it, if this process did."""
        with self._lock:
            if key in self._counted:
                return False, None
            self._counted[key] = None
            if len(self._counted) > self._capacity:
                self._counted.popitem(last=False)
            return True, self._begun.pop(key, None)

    def _after_fork(self) -> None:
        """The parent goes on polling what it began: a child that polls too counts nothing twice
        only where the parent never does, so both keep what they know."""
        self._lock = threading.Lock()
