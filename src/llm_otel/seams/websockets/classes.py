"""Hooks the classes of an SDK's WebSocket connections, once the program imports them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llm_otel.clients.spec import ClientSpec
from llm_otel.core import endings
from llm_otel.protocols.spec import Socket
from llm_otel.seams import imports
from llm_otel.seams.replacing import caller, replaced

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


def install(spec: ClientSpec) -> None:
    """Hook the client's connections, now or when their module is imported; there may be none."""
    for socket in spec.sockets:
        for name in socket.modules:
            module = f"{spec.package}.{name}"
            imports.watch_from_now(module, partial(_hook_classes, spec, socket, module))
    endings.at_exit(end_all)


def _hook_classes(spec: ClientSpec, socket: Socket, module_name: str) -> None:
    module = sys.modules[module_name]
    for prefix in (socket.name, f"Async{socket.name}"):
        manager = getattr(module, f"{prefix}ConnectionManager", None)
        connection = getattr(module, f"{prefix}Connection", None)
        if manager is None or connection is None:
            continue
        way = Way(spec, socket, f"_{prefix}ConnectionManager__")
        with replaced.lock:
            for cls, names in ((manager, _MANAGER), (connection, _CONNECTION)):
                for name, hook in names.items():
                    if hasattr(cls, name):
                        replaced.put(cls, name, partial(_function, hook=hook, way=way))


def _function(original: Any, hook: str, way: Way) -> Callable[..., Any]:
    """A function that calls the hook, which is only imported where somebody connects."""
    wrapped = caller(original)

    def function(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.seams.websockets import hooks as websocket_hooks

        hooked = getattr(websocket_hooks, hook)
        return hooked(way, partial(wrapped, owner), owner, args, kwargs)

    async def coroutine_function(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
        from llm_otel.seams.websockets import hooks as websocket_hooks

        hooked = getattr(websocket_hooks, f"async_{hook}")
        return await hooked(way, partial(wrapped, owner), owner, args, kwargs)

    return coroutine_function if inspect.iscoroutinefunction(original) else function


def end_all() -> None:
    """End all connections' spans and what is open on them."""
    hooks = sys.modules.get(_HOOKS)
    if hooks is not None:
        hooks.end_all()
