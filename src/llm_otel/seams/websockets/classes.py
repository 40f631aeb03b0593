"""Hooks the classes of an SDK's WebSocket connections, once the program imports them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llm_otel.base import guard
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import endings
from llm_otel.protocols.spec import Socket
from llm_otel.seams import imports
from llm_otel.seams.replacing import Replacements, caller

_HOOKS = "llm_otel.seams.websockets.hooks"

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
_replaced = Replacements()


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
            with _replaced.lock:
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
                    _replaced.put(cls, name, partial(_function, hook=hook, way=way))


def _function(original: Any, hook: str, way: Way) -> Callable[..., Any]:
    """A function that calls the hook, which is only imported where somebody connects."""
    wrapped = caller(original)

    def function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.seams.websockets import hooks as websocket_hooks

        hooked = getattr(websocket_hooks, hook)
        return hooked(way, partial(wrapped, owner), owner, args, kwargs)

    async def coroutine_function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.seams.websockets import hooks as websocket_hooks

        hooked = getattr(websocket_hooks, f"async_{hook}")
        return await hooked(way, partial(wrapped, owner), owner, args, kwargs)

    return coroutine_function if inspect.iscoroutinefunction(original) else function


def remove_all() -> None:
    """Take the hooks out, and end what is open: nobody will see its end.

    A hook that somebody has wrapped since stays, and passes through.
    """
    with _replaced.lock:
        _wanted.clear()
        _replaced.remove_all()
    end_all()


def end_all() -> None:
    """End all connections' spans and what is open on them."""
    hooks = sys.modules.get(_HOOKS)
    if hooks is not None:
        hooks.end_all()
