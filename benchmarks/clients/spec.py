"""What a file of this folder says of a client library: how to make the calls that are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WHOLE, STREAM = "whole", "stream"
# What every stream is made of.
CHUNKS = 100


@dataclass(frozen=True)
class Call:
    """One call; calling it gives the result, or the coroutine that does."""

    make: Callable[[], Any]
    asynchronous: bool = False

    def __call__(self) -> Any:
        return self.make()


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Client:
    """A client library.

    Attributes:
        packages: Import names of what is hooked.
        calls: Makes a client on a transport in memory; gives the calls by name: `WHOLE`, `STREAM`
            if it has streams, and others that are worth a look.
        prepare: What `instrument()` does not do for it.
    """

    packages: tuple[str, ...]
    calls: Callable[[], Mapping[str, Call]]
    prepare: Callable[[], None] = nothing
