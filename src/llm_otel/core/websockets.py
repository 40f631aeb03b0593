"""Hooks the classes of the SDK's WebSocket connections."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from typing import Any

import wrapt

from llm_otel.clients.spec import ClientSpec, Socket
from llm_otel.core import endings, fork, guard, websocket_hooks
from llm_otel.core.websocket_hooks import Hook, Way

_wanted: set[str] = set()
_awaited: set[str] = set()
# What is hooked: class, name, our wrapper, and whether the class had the function itself.
_installed: list[tuple[type, str, Any, bool]] = []
_lock = threading.Lock()
fork.renew(__name__, "_lock", threading.Lock)


def install(spec: ClientSpec) -> None:
    """Hook the client's connections, now or when their module is imported; there may be none."""
    for socket in spec.sockets:
        for name in socket.modules:
            module = f"{spec.package}.{name}"
            _wanted.add(module)
            if module in sys.modules:
                _install_if_wanted(spec, socket, module)
            elif module not in _awaited:
                _awaited.add(module)
                wrapt.register_post_import_hook(_later(spec, socket, module), module)
    endings.at_exit(websocket_hooks.end_all)


def _later(spec: ClientSpec, socket: Socket, module: str) -> Callable[[Any], None]:
    return lambda _module: _install_if_wanted(spec, socket, module)


def _install_if_wanted(spec: ClientSpec, socket: Socket, module: str) -> None:
    try:
        if module in _wanted:
            with _lock:
                _hook_classes(spec, socket, sys.modules[module])
    except Exception as exc:  # noqa: BLE001 - we may be inside the application's import
        guard.handle("install", exc)


def _hook_classes(spec: ClientSpec, socket: Socket, module: Any) -> None:
    for asynchronous in (False, True):
        prefix = ("Async" if asynchronous else "") + socket.name
        manager = getattr(module, f"{prefix}ConnectionManager", None)
        connection = getattr(module, f"{prefix}Connection", None)
        if manager is None or connection is None:
            continue
        way = Way(spec, socket, f"_{prefix}ConnectionManager__")
        hooks = (
            (manager, websocket_hooks.of_manager(way, asynchronous=asynchronous)),
            (connection, websocket_hooks.of_connection(asynchronous=asynchronous)),
        )
        for cls, by_name in hooks:
            for name, hook in by_name.items():
                _put(cls, name, hook)


def _put(cls: type, name: str, hook: Hook) -> None:
    hooked = any(each is cls and known == name for each, known, _, _ in _installed)
    if hooked or not hasattr(cls, name):
        return
    own = name in vars(cls)
    wrapper: Any = wrapt.FunctionWrapper(inspect.getattr_static(cls, name), hook)
    setattr(cls, name, wrapper)
    _installed.append((cls, name, wrapper, own))


def remove_all() -> None:
    """Take the hooks out, and end what is open: nobody will see its end.

    A hook that somebody has wrapped since stays, and passes through.
    """
    with _lock:
        _wanted.clear()
        left: list[tuple[type, str, Any, bool]] = []
        for cls, name, wrapper, own in _installed:
            ours = vars(cls).get(name) is wrapper
            if not ours:
                left.append((cls, name, wrapper, own))
            elif own:
                setattr(cls, name, wrapper.__wrapped__)
            else:
                delattr(cls, name)
        _installed[:] = left
    websocket_hooks.end_all()
