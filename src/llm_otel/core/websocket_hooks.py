"""What the hooks of a WebSocket connection do: the handshake, what is sent, what comes, the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import ref

from opentelemetry import context as otel_context
from opentelemetry.context import Context, get_current

from llm_otel.attribution import provider_context
from llm_otel.clients.spec import ClientSpec, Socket
from llm_otel.core import finalizers, fork, guard, read, rivals, runtime
from llm_otel.core.server import Server
from llm_otel.core.websocket_session import Response, Session, event_of

Hook = Callable[..., Any]

# By the connection's `id`. The connection itself stays as it is, and is not kept alive.
_sessions: dict[int, tuple[ref[Any], Session]] = {}
fork.renew(__name__, "_sessions", dict)


class Way(NamedTuple):
    """How to read a connection's manager.

    Attributes:
        spec, socket: The client and the protocol.
        private: What Python puts in front of the names of the manager's private attributes.
    """

    spec: ClientSpec
    socket: Socket
    private: str


def of_manager(way: Way, *, asynchronous: bool) -> dict[str, Hook]:
    """The hooks of the class that opens connections, by the function's name."""
    hook = _async_enter(way) if asynchronous else _enter(way)
    return {"__aenter__" if asynchronous else "__enter__": hook, "enter": hook}


def of_connection(*, asynchronous: bool) -> dict[str, Hook]:
    """The hooks of the class of connections, by the function's name."""
    if asynchronous:
        receive, send, close = _async_receive, _async_send, _async_close
    else:
        receive, send, close = _receive, _send, _close
    return {"recv_bytes": receive, "send": send, "send_raw": send, "close": close}


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
    """A handshake that goes out under our eyes.

    Attributes:
        session: None when only the context is ours.
        context: To be current meanwhile.
    """

    session: Session | None
    context: Context


def _enter(way: Way) -> Hook:
    def enter(wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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

    return enter


def _async_enter(way: Way) -> Hook:
    async def enter(
        wrapped: Any, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
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

    return enter


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
        own_spans=not rivals.has_span(context, client, way.spec, "realtime"),
    )
    return _Opening(session, provider_context(session.context))


def _server(active: runtime.Runtime, spec: ClientSpec, client: Any) -> Server:
    base = read.get(client, "websocket_base_url")
    # `ws://` and `wss://` differ from `http://` and `https://` in nothing that matters here.
    url = str(base).replace("ws", "http", 1) if base is not None else ""
    return active.servers.of(client, spec, url)


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


def _sending(
    connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Session | None, Response | None]:
    session = _session(connection)
    if session is None:
        return None, None
    sent = args[0] if args else kwargs.get("event", kwargs.get("data"))
    return session, _guarded(_asked_for, session, sent)


def _asked_for(session: Session, sent: object) -> Response | None:
    """The response that an event asks for: an event, or the text of one."""
    return session.sending(event_of(sent) if isinstance(sent, (str, bytes)) else sent)


def _unsent(session: Session | None, response: Response | None, exc: BaseException) -> None:
    if session is not None and response is not None:
        _guarded(session.unsent, response, exc)


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
        finalizers.end(lambda at: _guarded(session.end, at))
