"""Instrumentation on and off in one process, whoever made it.

Two processes that do the same differ by some percent of a call, by where their memory happens to
lie: more than what is measured here. And not every peer can be uninstrumented.
"""

from __future__ import annotations

import sys
from typing import Any

_ABSENT = object()


class Switch:
    """Remembers the classes of packages as they are, and what changed in them later."""

    def __init__(self, *packages: str) -> None:
        self._before = {cls: dict(vars(cls)) for cls in _classes(packages)}
        self._changed: list[tuple[type, str, Any, Any]] = []

    def learn(self) -> None:
        """Everything that is different now is the instrumentation."""
        for cls, before in self._before.items():
            after = dict(vars(cls))
            for name in {*before, *after}:
                old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
                if old is not new and not name.startswith("__"):
                    self._changed.append((cls, name, old, new))

    def on(self) -> None:
        """Put the instrumentation in place."""
        for cls, name, _, new in self._changed:
            _put(cls, name, new)

    def off(self) -> None:
        """Take it out."""
        for cls, name, old, _ in self._changed:
            _put(cls, name, old)


def _put(cls: type, name: str, value: Any) -> None:
    if value is not _ABSENT:
        setattr(cls, name, value)
    elif name in vars(cls):
        delattr(cls, name)


def _classes(packages: tuple[str, ...]) -> set[type]:
    modules = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in packages]
    return {
        value
        for module in modules
        for value in list(vars(module).values())
        if isinstance(value, type) and value.__module__.partition(".")[0] in packages
    }
