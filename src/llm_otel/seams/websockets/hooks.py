"""Follows a WebSocket connection through the SDK's functions: handshake, messages, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from opentelemetry import context as otel_context
from opentelemetry.context import Context, get_current

from llm_otel.attribution import provider_context
from llm_otel.base import finalizers, fork, guard, read
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import rivals, runtime
from llm_otel.core.server import Server
from llm_otel.seams.websockets.responses import Response
from llm_otel.seams.websockets.session import Session, event_of

if TYPE_CHECKING:
    from llm_otel.seams.websockets.classes import Way

# Hooks get the SDK's own function, the object that it is called on, and the arguments.
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

# By the connection's `id`. The connection itself stays as it is, and is not kept alive.
_sessions: dict[int, tuple[ref[Any], Session]] = {}
fork.renew(__name__, "_sessions", dict)

# What managers keep until they connect: event or message, and where it was queued.
_Queue = list[tuple[object, Context]]
_queues: WeakKeyDictionary[Any, _Queue] = WeakKeyDictionary()


def end_all() -> None:
    """End all connections' spans and what is open on them."""
    at = finalizers.now()
    for key in list(_sessions):
        entry = _sessions.pop(key, None)
        if entry is not None:
            _guarded(entry[1].end, at)


def _guarded(what: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function of ours returns; None where it fails."""
    try:
        return what(*args, **kwargs)
    except Exception as exc:  # noqa: BLE001
        guard.handle("websocket", exc)
        return None


# ------------------------------------------------------------------ the handshake
class _Opening(NamedTuple):
    """An instrumented handshake.

    Attributes:
        session: None when only the context is ours.
        context: To be current meanwhile.
    """

    session: Session | None
    context: Context


def enter(way: Way, wrapped: Any, manager: Any, args: Args, kwargs: Kwargs) -> Any:
    """Hook of `manager.enter()`."""
    opening = _guarded(_begin, way, manager)
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
    _keep(opening, connection)
    return connection


async def async_enter(way: Way, wrapped: Any, manager: Any, args: Args, kwargs: Kwargs) -> Any:
    """The same for asynchronous managers."""
    opening = _guarded(_begin, way, manager)
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
    _keep(opening, connection)
    return connection


def _begin(way: Way, manager: Any) -> _Opening | None:
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
        # Nobody's wrapper of a method for HTTP sees what a connection carries.
        own_spans=rivals.span_maker(context, client, way.spec.package, "request") is None,
    )
    for event, queued_in in _queues.pop(manager, ()):
        _guarded(_asked_for, session, event, queued_in)
    return _Opening(session, provider_context(session.context))


def _server(active: runtime.Runtime, spec: ClientSpec, client: Any) -> Server:
    base = read.get(client, "websocket_base_url")
    # `ws://` and `wss://` differ from `http://` and `https://` in nothing that matters here.
    url = str(base).replace("ws", "http", 1) if base is not None else ""
    return active.servers.of(client, spec.provider, url)


def _model(manager: Any, way: Way) -> str | None:
    named = read.string(read.get(manager, way.private + "model"))
    query = read.get(manager, way.private + "extra_query")
    return named or read.string(read.get(query, "model"))


def _refused(opening: _Opening, exc: BaseException) -> None:
    session = opening.session
    if session is None:
        return
    if finalizers.may_be_final(exc):
        finalizers.defer(lambda at: _guarded(session.end, at))
    else:
        _guarded(session.refused, exc)


def _keep(opening: _Opening, connection: Any) -> None:
    """Keep the session of a connection; end it where that fails, so that nothing stays open."""
    try:
        _opened(opening, connection)
    except Exception as exc:  # noqa: BLE001
        guard.handle("websocket", exc)
        if opening.session is not None:
            _guarded(opening.session.end, finalizers.now())


def _opened(opening: _Opening, connection: Any) -> None:
    session, key = opening.session, id(connection)
    if session is None:
        return

    def dropped(_reference: ref[Any]) -> None:
        if _sessions.pop(key, None) is not None:
            finalizers.defer(lambda at: _guarded(session.end, at))

    _sessions[key] = (ref(connection, dropped), session)


def _session(connection: Any) -> Session | None:
    entry = _sessions.get(id(connection))
    return entry[1] if entry is not None and entry[0]() is connection else None


# ------------------------------------------------------------------ messages
def receive(_way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs) -> Any:
    """Hook of `connection.recv_bytes()`, through which all messages come."""
    try:
        message = wrapped(*args, **kwargs)
    except Exception as exc:
        _unreadable(connection, exc)
        raise
    _received(connection, message)
    return message


async def async_receive(
    _way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs
) -> Any:
    """The same for asynchronous connections."""
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
        _guarded(session.received, message)


def _unreadable(connection: Any, exc: Exception) -> None:
    """Reading raised: the connection is closed, or this one attempt ran out of time."""
    session = _session(connection)
    if session is None or not type(exc).__name__.startswith("ConnectionClosed"):
        return
    final = read.get(connection, "_on_reconnecting") is None
    _guarded(session.broken, exc, final=final)
    if final:
        _sessions.pop(id(connection), None)


def send(_way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs) -> Any:
    """Hook of `connection.send()` and `send_raw()`."""
    session, response = _sending(connection, args, kwargs)
    try:
        return wrapped(*args, **kwargs)
    except BaseException as exc:
        _unsent(session, response, exc)
        raise


async def async_send(_way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs) -> Any:
    """The same for asynchronous connections."""
    session, response = _sending(connection, args, kwargs)
    try:
        return await wrapped(*args, **kwargs)
    except BaseException as exc:
        _unsent(session, response, exc)
        raise


def queue(_way: Way, wrapped: Any, manager: Any, args: Args, kwargs: Kwargs) -> Any:
    """Hook of `manager.send()`: it keeps what the program sends until it connects."""
    result = wrapped(*args, **kwargs)
    if runtime.active() is not None:
        _guarded(_remember, manager, _event(args, kwargs))
    return result


def _remember(manager: Any, event: object) -> None:
    _queues.setdefault(manager, []).append((event, get_current()))


def _event(args: Args, kwargs: Kwargs) -> object:
    return args[0] if args else kwargs.get("event", kwargs.get("data"))


def _sending(connection: Any, args: Args, kwargs: Kwargs) -> tuple[Session | None, Response | None]:
    session = _session(connection)
    if session is None:
        return None, None
    return session, _guarded(_asked_for, session, _event(args, kwargs))


def _asked_for(session: Session, sent: object, context: Context | None = None) -> Response | None:
    """The response that an event asks for: an event, or the text of one."""
    event = event_of(sent, session.socket) if isinstance(sent, (str, bytes)) else sent
    return session.sending(event, context)


def _unsent(session: Session | None, response: Response | None, exc: BaseException) -> None:
    if session is not None and response is not None:
        _guarded(session.unsent, response, exc)


# ------------------------------------------------------------------ the end
def close(_way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs) -> Any:
    """Hook of `connection.close()`."""
    session = _closing(connection)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _closed(session)


async def async_close(_way: Way, wrapped: Any, connection: Any, args: Args, kwargs: Kwargs) -> Any:
    """The same for asynchronous connections."""
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
        finalizers.end(lambda at: _guarded(session.end, at))
