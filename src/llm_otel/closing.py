"""What is used in a `with` and ends by `close()`."""

from __future__ import annotations

from typing import TypeVar

Opened = TypeVar("Opened", bound="Closing")


class Closing:
    """A context manager whose end is `close()`."""

    def close(self) -> None:
        """End the work and give back what was taken."""
        raise NotImplementedError

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
