"""The client libraries that every test of all clients runs on: one file each, found by itself."""

from __future__ import annotations

import importlib
from functools import cache
from pkgutil import iter_modules

from clients.spec import Client

_SHARED = frozenset({"redirect", "spec"})


def names() -> list[str]:
    """The names of the files, which are named as those of `llm_otel.clients`."""
    return sorted(each.name for each in iter_modules(__path__) if each.name not in _SHARED)


@cache
def load(name: str) -> Client:
    """The client library of a file."""
    client: Client = importlib.import_module(f"clients.{name}").CLIENT
    return client
