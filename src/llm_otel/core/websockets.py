"""Hooks the classes of an SDK's WebSocket connections, once the program imports them."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llm_otel.base import fork, guard
from llm_otel.clients.spec import ClientSpec, Socket
from llm_otel.core import endings, imports, patch

_HOOKS = "llm_otel.core.websocket_hooks"

# Functions of a manager and of a connection, with the name of each one's hook. A client without
# one of them does without.
_MANAGER = {"__enter__": "enter", "__aenter__": "enter", "enter": "enter", "send": "queue"}
_CONNECTION = {"recv_bytes": "receive", "send": "send", "send_raw": "send", "close": "close"}


class Way(NamedTuple):
    """What hooks know of the connections of one kind.

    Attributes:
        private: What Python puts in front of the names of a manager's private attributes.
    """

    spec: ClientSpec
    socket: Socket
    private: str


# Modules to hook, with what is in them.
_wanted: dict[str, tuple[ClientSpec, Socket]] = {}
# What is hooked: class, name, our function, and whether the class had one itself.
_installed: list[tuple[type, str, Any, bool]] = []
_lock = threading.Lock()
fork.renew(__name__, "_lock", threading.Lock)


def install(spec: ClientSpec) -> None:
    """Hook the client's connections, now or when their module is imported; there may be none."""
    for socket in spec.sockets:
        for name in socket.modules:
            module = f"{spec.package}.{name}"
            _wanted[module] = (spec, socket)
            imports.watch(module, partial(_install_if_wanted, module))
            if module in sys.modules:
                _install_if_wanted(module)
    endings.at_exit(end_all)


def _install_if_wanted(module: str) -> None:
    try:
        wanted = _wanted.get(module)
        if wanted is not None:
            with _lock:
                _hook_classes(*wanted, sys.modules[module])
    except Exception as exc:  # noqa: BLE001 - we may be inside the application's import
        guard.handle("install", exc)


def _hook_classes(spec: ClientSpec, socket: Socket, module: Any) -> None:
    for prefix in (socket.name, f"Async{socket.name}"):
        manager = getattr(module, f"{prefix}ConnectionManager", None)
        connection = getattr(module, f"{prefix}Connection", None)
        if manager is None or connection is None:
            continue
        way = Way(spec, socket, f"_{prefix}ConnectionManager__")
        for cls, names in ((manager, _MANAGER), (connection, _CONNECTION)):
            for name, hook in names.items():
                if hasattr(cls, name):
                    _put(cls, name, hook, way)


def _put(cls: type, name: str, hook: str, way: Way) -> None:
    if any(known is cls and its_name == name for known, its_name, _, _ in _installed):
        return
    own = name in vars(cls)
    original = inspect.getattr_static(cls, name)
    function = patch.in_place_of(original, _function(original, hook, way))
    if not own:  # pickled by its name, which has to lead to it
        function.__module__, function.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
    setattr(cls, name, function)
    _installed.append((cls, name, function, own))


def _function(original: Any, hook: str, way: Way) -> Callable[..., Any]:
    """A function that calls the hook, which is only imported where somebody connects."""
    wrapped = patch.caller(original)

    def function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.core import websocket_hooks

        hooked = getattr(websocket_hooks, hook)
        return hooked(way, partial(wrapped, owner), owner, args, kwargs)

    async def coroutine_function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.core import websocket_hooks

        hooked = getattr(websocket_hooks, f"async_{hook}")
        return await hooked(way, partial(wrapped, owner), owner, args, kwargs)

    return coroutine_function if inspect.iscoroutinefunction(original) else function


def remove_all() -> None:
    """Take the hooks out, and end what is open: nobody will see its end.

    A hook that somebody has wrapped since stays, and passes through.
    """
    with _lock:
        _wanted.clear()
        left: list[tuple[type, str, Any, bool]] = []
        for cls, name, function, own in _installed:
            ours = vars(cls).get(name) is function
            if not ours:
                left.append((cls, name, function, own))
            elif own:
                setattr(cls, name, function.__wrapped__)
            else:
                delattr(cls, name)
        _installed[:] = left
    end_all()


def end_all() -> None:
    """End all connections' spans and what is open on them."""
    hooks = sys.modules.get(_HOOKS)
    if hooks is not None:
        hooks.end_all()
