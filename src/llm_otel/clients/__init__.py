"""The clients that we patch: ours by file, others by the entry point group `llm_otel.clients`."""

from __future__ import annotations

import importlib
import logging
from pkgutil import iter_modules

from llm_otel.base.otel_internals import entry_points
from llm_otel.clients.spec import ClientSpec

ENTRY_POINT_GROUP = "llm_otel.clients"

_logger = logging.getLogger("llm_otel")


def built_in() -> tuple[str, ...]:
    """Packages of the clients that have a file here, which is named as its package."""
    return tuple(sorted(each.name for each in iter_modules(__path__) if each.name != "spec"))


def load() -> dict[str, ClientSpec]:
    """Every known client by package name; one of a third party that fails is one warning."""
    specs = {name: _built_in(name) for name in built_in()}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            spec = entry_point.load()
            specs[spec.package] = spec
        except Exception as exc:  # noqa: BLE001 - a stranger's module may raise anything
            _logger.warning(
                "llm-otel skips the client %r: its entry point in group %r raised %s.",
                entry_point.name,
                ENTRY_POINT_GROUP,
                type(exc).__name__,
            )
    return specs


def _built_in(name: str) -> ClientSpec:
    spec: ClientSpec = importlib.import_module(f"llm_otel.clients.{name}").CLIENT
    return spec
