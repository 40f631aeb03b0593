"""The client libraries that are measured: one file each, found by itself, named as its client.

What begins with an underscore is shared.
"""

from __future__ import annotations

import importlib
from pkgutil import iter_modules

from clients.spec import Client


def names() -> list[str]:
    """The names of the files."""
    found = (each.name for each in iter_modules(__path__))
    return sorted(name for name in found if name != "spec" and not name.startswith("_"))


def load(name: str) -> Client:
    """A client library."""
    client: Client = importlib.import_module(f"clients.{name}").CLIENT
    return client
