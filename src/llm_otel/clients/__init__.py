"""The clients that we patch: ours by file, others by the entry point group `llm_otel.clients`.

A file is named as its package is imported, with `__` for a dot. What it says is read when that
package is imported: a program pays for the clients that it has, not for those that it could have.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Callable
from functools import partial
from importlib.machinery import PathFinder
from pkgutil import iter_modules
from typing import NamedTuple

from llm_otel.base.otel_internals import entry_points
from llm_otel.clients.spec import ClientSpec

ENTRY_POINT_GROUP = "llm_otel.clients"

_logger = logging.getLogger("llm_otel")
_SIGNS = re.compile(r"[-_.]+")


class Known(NamedTuple):
    """A client that we can hook.

    Attributes:
        package: Its import name.
        load: Gives what its file says.
    """

    package: str
    load: Callable[[], ClientSpec]

    @property
    def installed(self) -> bool:
        """Whether it is; nothing is imported to find that out."""
        if self.package in sys.modules:
            return True
        path, name = None, ""
        for part in self.package.split("."):
            name = f"{name}.{part}".lstrip(".")
            try:
                spec = PathFinder.find_spec(name, path)
            except (ImportError, ValueError):
                return False
            if spec is None:
                return False
            path = spec.submodule_search_locations
        return True


def name_of(package: str) -> str:
    """What a client is called in settings: its import name or distribution, with `_` throughout."""
    return _SIGNS.sub("_", package).lower()


def built_in() -> tuple[str, ...]:
    """Packages of the clients that have a file here."""
    files = (each.name for each in iter_modules(__path__) if each.name != "spec")
    return tuple(sorted(name.replace("__", ".") for name in files))


def load() -> dict[str, Known]:
    """Every known client by name; one of a third party that fails is one warning."""
    clients = {
        name_of(package): Known(package, partial(_built_in, package)) for package in built_in()
    }
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            spec: ClientSpec = entry_point.load()
            clients[name_of(spec.package)] = Known(spec.package, partial(_same, spec))
        except Exception as exc:  # noqa: BLE001 - a stranger's module may raise anything
            _logger.warning(
                "llm-otel skips the client %r: its entry point in group %r raised %s.",
                entry_point.name,
                ENTRY_POINT_GROUP,
                type(exc).__name__,
            )
    return clients


def _built_in(package: str) -> ClientSpec:
    module = importlib.import_module(f"llm_otel.clients.{package.replace('.', '__')}")
    spec: ClientSpec = module.CLIENT
    return spec


def _same(spec: ClientSpec) -> ClientSpec:
    return spec
