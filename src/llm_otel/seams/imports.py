"""Call back after each import of a module: the first, one after it was purged, and a reload."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from llm_otel.base import guard

_watched: dict[str, list[Callable[[], None]]] = {}
_searching = threading.local()


def watch(name: str, imported: Callable[[], None]) -> None:
    """Have a function called in the importing thread whenever a module has been executed.

    Args:
        name: The module's full name.
        imported: What to call.
    """
    _watched.setdefault(name, []).append(imported)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def watch_from_now(name: str, imported: Callable[[], None]) -> None:
    """The same, and call it at once if the module was imported before."""
    watch(name, imported)
    if name in sys.modules:
        guarded(imported)


def guarded(imported: Callable[[], None]) -> None:
    """Call such a function: we may be inside the application's import, which goes on."""
    try:
        imported()
    except Exception as exc:  # noqa: BLE001
        guard.handle("install", exc)


def _call_back(name: str) -> None:
    for imported in tuple(_watched.get(name, ())):
        guarded(imported)


def forget() -> None:
    """Watch no module any more."""
    _watched.clear()


class _Finder:
    """Finds watched modules by the other finders."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if name not in _watched or name in getattr(_searching, "names", ()):
            return None
        _searching.names = (*getattr(_searching, "names", ()), name)
        try:
            spec = self._found_by_others(name, path, target)
        finally:
            _searching.names = _searching.names[:-1]
        if spec is None:
            return None
        if hasattr(spec.loader, "exec_module"):
            spec.loader = _calling_loader()(spec.loader)
        elif spec.loader is None:  # a namespace package has nothing to execute
            _call_back(name)
        return spec

    def _found_by_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            # A finder of the old kind has no `find_spec`; Python passes it over, too.
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                return spec
        return None


@cache
def _calling_loader() -> Any:
    """The class of a module's loader that calls back. Made when a client is imported: wrapt imports
    asyncio, which takes longer than all of ours, and which a client imports as well."""
    import wrapt

    class Loader(wrapt.ObjectProxy):  # type: ignore[type-arg]
        """The module itself gets to see the loader alone."""

        def exec_module(self, module: Any) -> None:
            loader, spec = self.__wrapped__, getattr(module, "__spec__", None)
            if getattr(module, "__loader__", None) is self:
                module.__loader__ = loader
            if spec is not None and spec.loader is self:
                spec.loader = loader
            loader.exec_module(module)
            _call_back(module.__name__)

    return Loader


_FINDER: Any = _Finder()
