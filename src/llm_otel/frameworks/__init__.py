"""Frameworks of agents: spans of their agents, tools and searches, by their own interfaces.

A file is what settings call the framework. Others are published under the entry point group
`llm_otel.frameworks`, as an object of the class `llm_otel.frameworks.spec.Framework`. We import no
framework; what a file says is read when the program has imported the framework.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from llm_otel.base import fork, guard
from llm_otel.base.otel_internals import entry_points
from llm_otel.settings import kinds

if TYPE_CHECKING:
    from llm_otel.frameworks.spec import Framework

ENTRY_POINT_GROUP = "llm_otel.frameworks"

# What settings call ours -> the module whose import brings it. Their files are named so.
BUILT_IN: Mapping[str, str] = {
    "crewai": "crewai.events.event_bus",
    "dspy": "dspy",
    "langchain": "langchain_core.tracers.context",
    "llama_index": "llama_index_instrumentation",
    "openai_agents": "agents",
    "smolagents": "smolagents",
}

_logger = logging.getLogger("llm_otel")
_lock = threading.Lock()
_removals: dict[str, Callable[[], None]] = {}

fork.renew(__name__, "_lock", threading.Lock)


def available() -> dict[str, tuple[str, Callable[[], Framework]]]:
    """Every framework by name: the module that brings it, and what its file says.

    One of a third party that fails is one warning.
    """
    frameworks: dict[str, tuple[str, Callable[[], Framework]]] = {
        name: (module, partial(_built_in, name)) for name, module in BUILT_IN.items()
    }
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            framework: Framework = entry_point.load()
            frameworks[framework.name] = (framework.module, partial(_same, framework))
        except Exception as exc:  # noqa: BLE001 - a stranger's module may raise anything
            _logger.warning(
                "llm-otel skips the framework %r: its entry point in group %r raised %s.",
                entry_point.name,
                ENTRY_POINT_GROUP,
                type(exc).__name__,
            )
    return frameworks


def choose(setting: bool | tuple[str, ...]) -> tuple[str, ...]:
    """The names of the frameworks that the setting `frameworks` asks for.

    Raises:
        ConfigError: It names one that there is not.
    """
    if setting is False:
        return ()
    names = available()
    if setting is True:
        return tuple(names)
    for name in setting:
        kinds.require_known(name, names, "The setting frameworks: the framework")
    return setting


def install(names: tuple[str, ...]) -> None:
    """Register with frameworks: now, or as soon as they are imported."""
    if not names:
        return
    from llm_otel.seams import imports

    frameworks = available()
    for name in names:
        module, load = frameworks[name]
        imports.watch_from_now(module, partial(_install, name, load))


def _install(name: str, load: Callable[[], Framework]) -> None:
    framework = load()
    with _lock:
        removal = _removals.pop(name, None)
        if removal is not None:  # imported again: what it was registered with is gone
            removal()
        _removals[name] = framework.install()


def remove_all() -> None:
    """Take our callbacks away; what is under way ends, as nobody will tell of its end."""
    with _lock:
        removals = tuple(_removals.values())
        _removals.clear()
    for removal in removals:
        try:
            removal()
        except Exception as exc:  # noqa: BLE001 - one framework's failure is not another's
            guard.handle("uninstall", exc)


def _built_in(name: str) -> Framework:
    module = importlib.import_module(f"llm_otel.frameworks.{name}")
    framework: Framework = module.FRAMEWORK
    return framework


def _same(framework: Framework) -> Framework:
    return framework
