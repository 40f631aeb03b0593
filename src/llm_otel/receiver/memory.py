"""How much memory the bodies of requests may take while they are received and decoded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

# Together, and what one body takes of it for free: small requests never wait for large ones.
LARGEST_TOTAL: Final = 192 << 20
FREE_BYTES: Final = 1 << 20


class NoMemory(RuntimeError):
    """The bodies that are being received leave no room for another; it will pass."""


class Memory:
    """The budget of one receiver.

    Args:
        total: Bytes that all bodies may take together, but for the first of each.
        free: Bytes that each body takes without asking.
    """

    def __init__(self, total: int = LARGEST_TOTAL, free: int = FREE_BYTES) -> None:
        self._left = total
        self.free = free
        self._changed = threading.Condition()
        self._decoding = threading.Lock()

    def take(self, amount: int, patience: float) -> None:
        """Take bytes, after waiting up to `patience` seconds for them.

        Raises:
            NoMemory: They did not become free.
        """
        until = time.monotonic() + patience
        with self._changed:
            while amount > self._left:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    raise NoMemory("too much is being received: send again later")
            self._left -= amount

    def give(self, amount: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._left += amount
            self._changed.notify_all()

    @contextmanager
    def decoding(self, size: int) -> Iterator[None]:
        """Decode a body of `size` bytes: a large one, which takes many times its size, alone."""
        if size <= self.free:
            yield
        else:
            with self._decoding:
                yield


class Account:
    """What one request holds of a `Memory`; a context manager that gives it back.

    Args:
        memory: The budget.
        patience: Seconds to wait for more, each time.
    """

    def __init__(self, memory: Memory, patience: float) -> None:
        self._memory, self._patience = memory, patience
        self._held = self._charged = 0

    def grow(self, amount: int) -> None:
        """Hold `amount` bytes more.

        Raises:
            NoMemory: as `Memory.take`.
        """
        charge = max(0, self._held + amount - self._memory.free) - self._charged
        if charge > 0:
            self._memory.take(charge, self._patience)
            self._charged += charge
        self._held += amount

    def __enter__(self) -> Account:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._memory.give(self._charged)
