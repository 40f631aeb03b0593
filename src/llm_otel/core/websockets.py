"""Hooks the SDK's WebSocket connections: the handshake, what is sent, what comes, the end."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from opentelemetry import context as otel_context
from opentelemetry.context import Context, get_current

from llm_otel.attribution import provider_context
from llm_otel.clients.spec import ClientSpec, Socket
from llm_otel.core import (
    endings,
    finalizers,
    fork,
    guard,
    imports,
    patch,
    read,
    rivals,
    runtime,
)
from llm_otel.core.server import Server
from llm_otel.core.websocket_session import Response, Session, event_of

# Called with the SDK's own function, the object it is called on, and the arguments.
Hook = Callable[[Any, Any, "tuple[Any, ...]", "dict[str, Any]"], Any]

# Modules to hook, with what is in them.
_wanted: dict[str, tuple[ClientSpec, Socket]] = {}
# What is hooked: class, name, our function, and whether the class had one itself.
_installed: list[tuple[type, str, Any, bool]] = []
_lock = threading.Lock()
fork.renew(__name__, "_lock", threading.Lock)

# By the connection's `id`. The connection itself stays as it is, and is not kept alive.
_sessions: dict[int, tuple[ref[Any], Session]] = {}
fork.renew(__name__, "_sessions", dict)

# What managers keep until they connect: event or message, and where it was queued.
_Queue = list[tuple[object, Context]]
_queues: WeakKeyDictionary[Any, _Queue] = WeakKeyDictionary()


# ------------------------------------------------------------------ install
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
        guard.handle("install websockets", exc)


def _hook_classes(spec: ClientSpec, socket: Socket, module: Any) -> None:
    for asynchronous in (False, True):
        prefix = ("Async" if asynchronous else "") + socket.name
        manager = getattr(module, f"{prefix}ConnectionManager", None)
        connection = getattr(module, f"{prefix}Connection", None)
        if manager is None or connection is None:
            continue
        way = _Way(spec, socket, f"_{prefix}ConnectionManager__")
        entering = _async_enter(way) if asynchronous else _enter(way)
        _put(manager, "__aenter__" if asynchronous else "__enter__", entering)
        _put(manager, "enter", entering)
        _put(manager, "send", _queue)
        _put(connection, "recv_bytes", _async_receive if asynchronous else _receive)
        _put(connection, "send", _async_send if asynchronous else _send)
        _put(connection, "send_raw", _async_send if asynchronous else _send)
        _put(connection, "close", _async_close if asynchronous else _close)


def _put(cls: type, name: str, hook: Hook) -> None:
    hooked = any(each is cls and known == name for each, known, _, _ in _installed)
    if hooked or not hasattr(cls, name):
        return
    own = name in vars(cls)
    original = inspect.getattr_static(cls, name)
    function = patch.in_place_of(original, _hooked(original, hook))
    setattr(cls, name, function)
    _installed.append((cls, name, function, own))


def _hooked(original: Any, hook: Hook) -> Callable[..., Any]:
    wrapped = patch.caller(original)

    def function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        return hook(partial(wrapped, owner), owner, args, kwargs)

    async def coroutine_function(owner: Any, *args: Any, **kwargs: Any) -> Any:
        return await hook(partial(wrapped, owner), owner, args, kwargs)

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
    at = finalizers.now()
    for key in list(_sessions):
        entry = _sessions.pop(key, None)
        if entry is not None:
            _guarded("websocket end", entry[1].end, at)


def _guarded(site: str, what: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return what(*args, **kwargs)
    except Exception as exc:  # noqa: BLE001
        guard.handle(site, exc)
        return None


# ------------------------------------------------------------------ the handshake
class _Way(NamedTuple):
    """How to read a connection's manager.

    Attributes:
        private: What Python puts in front of the names of its private attributes.
    """

    spec: ClientSpec
    socket: Socket
    private: str


class _Opening(NamedTuple):
    """A handshake that goes out under our eyes.

    Attributes:
        session: None when only the context is ours.
        context: To be current meanwhile.
    """

    session: Session | None
    context: Context


def _enter(way: _Way) -> Hook:
    def enter(wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        opening = _guarded("websocket begin", _begin, way, manager)
        if opening is None:
            return wrapped(*args, **kwargs)
        token = otel_context.attach(opening.context)
        try:
            connection = wrapped(*args, **kwargs)
        except BaseException as exc:
            _refused(opening, exc)
            raise
        finally:
            otel_context.detach(token)
        _guarded("websocket opened", _opened, opening, connection)
        return connection

    return enter


def _async_enter(way: _Way) -> Hook:
    async def enter(
        wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        opening = _guarded("websocket begin", _begin, way, manager)
        if opening is None:
            return await wrapped(*args, **kwargs)
        token = otel_context.attach(opening.context)
        try:
            connection = await wrapped(*args, **kwargs)
        except GeneratorExit as exc:
            # The coroutine was dropped: this may run in any context, so nothing is detached.
            _refused(opening, exc)
            raise
        except BaseException as exc:
            otel_context.detach(token)
            _refused(opening, exc)
            raise
        otel_context.detach(token)
        _guarded("websocket opened", _opened, opening, connection)
        return connection

    return enter


def _begin(way: _Way, manager: Any) -> _Opening | None:
    active = runtime.active()
    if active is None:
        return None
    context = get_current()
    bare = provider_context(context)
    client = read.get(manager, way.private + "client")
    if not active.live or client is None or rivals.suppressed(context):
        return None if bare is context else _Opening(None, bare)
    finalizers.ready()
    session = Session(
        active,
        way.socket,
        _server(active, way.spec, client),
        _model(manager, way),
        context,
        own_spans=not rivals.has_span(context, client, way.spec, "realtime"),
    )
    for event, queued_in in _queues.pop(manager, ()):
        _guarded("websocket send", _asked_for, session, event, queued_in)
    return _Opening(session, provider_context(session.context))


def _server(active: runtime.Runtime, spec: ClientSpec, client: Any) -> Server:
    base = read.get(client, "websocket_base_url")
    # `ws://` and `wss://` differ from `http://` and `https://` in nothing that matters here.
    url = str(base).replace("ws", "http", 1) if base is not None else ""
    return active.servers.of(client, spec, url)


def _model(manager: Any, way: _Way) -> str | None:
    named = read.string(read.get(manager, way.private + "model"))
    query = read.get(manager, way.private + "extra_query")
    return named or read.string(read.get(query, "model"))


def _refused(opening: _Opening, exc: BaseException) -> None:
    session = opening.session
    if session is None:
        return
    if finalizers.may_be_final(exc):
        finalizers.defer(lambda at: _guarded("websocket refused", session.end, at))
    else:
        _guarded("websocket refused", session.refused, exc)


def _opened(opening: _Opening, connection: Any) -> None:
    session, key = opening.session, id(connection)
    if session is None:
        return

    def dropped(_reference: ref[Any]) -> None:
        if _sessions.pop(key, None) is not None:
            finalizers.defer(lambda at: _guarded("websocket dropped", session.end, at))

    _sessions[key] = (ref(connection, dropped), session)


def _session(connection: Any) -> Session | None:
    entry = _sessions.get(id(connection))
    return entry[1] if entry is not None and entry[0]() is connection else None


# ------------------------------------------------------------------ messages
def _receive(wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        message = wrapped(*args, **kwargs)
    except Exception as exc:
        _unreadable(connection, exc)
        raise
    _received(connection, message)
    return message


async def _async_receive(
    wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    try:
        message = await wrapped(*args, **kwargs)
    except Exception as exc:
        _unreadable(connection, exc)
        raise
    _received(connection, message)
    return message


def _received(connection: Any, message: object) -> None:
    session = _session(connection)
    if session is not None:
        _guarded("websocket received", session.received, message)


def _unreadable(connection: Any, exc: Exception) -> None:
    """Reading raised: the connection is closed, or this one attempt ran out of time."""
    session = _session(connection)
    if session is None or not type(exc).__name__.startswith("ConnectionClosed"):
        return
    final = read.get(connection, "_on_reconnecting") is None
    _guarded("websocket closed", session.broken, exc, final=final)
    if final:
        _sessions.pop(id(connection), None)


def _send(wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    session, response = _sending(connection, args, kwargs)
    try:
        return wrapped(*args, **kwargs)
    except BaseException as exc:
        _unsent(session, response, exc)
        raise


async def _async_send(
    wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    session, response = _sending(connection, args, kwargs)
    try:
        return await wrapped(*args, **kwargs)
    except BaseException as exc:
        _unsent(session, response, exc)
        raise


def _queue(wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The program sends before it connects: the manager keeps that until then."""
    result = wrapped(*args, **kwargs)
    if runtime.active() is not None:
        _guarded("websocket queue", _keep, manager, _event(args, kwargs))
    return result


def _keep(manager: Any, event: object) -> None:
    _queues.setdefault(manager, []).append((event, get_current()))


def _event(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return args[0] if args else kwargs.get("event", kwargs.get("data"))


def _sending(
    connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Session | None, Response | None]:
    session = _session(connection)
    if session is None:
        return None, None
    return session, _guarded("websocket send", _asked_for, session, _event(args, kwargs))


def _asked_for(session: Session, sent: object, context: Context | None = None) -> Response | None:
    """The response that an event asks for: an event, or the text of one."""
    event = event_of(sent) if isinstance(sent, (str, bytes)) else sent
    return session.sending(event, context)


def _unsent(session: Session | None, response: Response | None, exc: BaseException) -> None:
    if session is not None and response is not None:
        _guarded("websocket send", session.unsent, response, exc)


# ------------------------------------------------------------------ the end
def _close(wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    session = _closing(connection)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _closed(session)


async def _async_close(
    wrapped: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    session = _closing(connection)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _closed(session)


def _closing(connection: Any) -> Session | None:
    session = _session(connection)
    if session is not None:
        session.closing = True
        _sessions.pop(id(connection), None)
    return session


def _closed(session: Session | None) -> None:
    if session is not None:
        finalizers.end(lambda at: _guarded("websocket closed", session.end, at))
