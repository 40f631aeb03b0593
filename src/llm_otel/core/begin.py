"""Before the call: is it ours, whose is it, and may we ask for a stream's usage?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from opentelemetry.context import Context, create_key, get_current

from llm_otel.attribution import provider_context
from llm_otel.base import finalizers, guard
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import lost_context, own_calls, rivals, runtime
from llm_otel.core.call import Call
from llm_otel.core.endings import abandon
from llm_otel.core.runtime import Runtime
from llm_otel.core.server import Server
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.providers.stream_usage import ON_REQUEST, REFUSED, UNASKED

_CALL = create_key("llm_otel.call")

# Gives the request in a function's arguments; None for one that is not for us to see.
Reader = Callable[[Any, tuple[Any, ...], dict[str, Any]], "Request | None"]
# Gives the function's arguments with what `Begun.asking` adds; what it does not add is not there.
Asker = Callable[
    ["Begun", tuple[Any, ...], dict[str, Any]], "tuple[Begun, tuple[Any, ...], dict[str, Any]]"
]


def _unknown(exc: BaseException) -> int:  # noqa: ARG001
    return 0


class Funnel(NamedTuple):
    """A function through which an SDK sends its requests.

    Attributes:
        spec: Data of the SDK.
        function: The function's name.
        read: Gives the request in the function's arguments.
        ask: Gives arguments that ask for a stream's usage, too; None where nobody could hide it.
        resends: Tells by the exception how often a request that failed was sent again.
    """

    spec: ClientSpec
    function: str
    read: Reader
    ask: Asker | None = None
    resends: Callable[[BaseException], int] = _unknown


class Begun(NamedTuple):
    """An instrumented request.

    Attributes:
        call: The call, or None when only the context is ours.
        context: To be current while the SDK works.
        request: The request, or None.
        asking: What to add to the request's body, to be asked for a stream's usage.
    """

    call: Call | None
    context: Context
    request: Request | None = None
    asking: Mapping[str, object] | None = None


def current_call() -> Call | None:
    """The call whose request is being sent in this context."""
    found = get_current().get(_CALL)
    call = found() if isinstance(found, ReferenceType) else None
    return call if isinstance(call, Call) else None


def begin(
    funnel: Funnel, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Begun | None:
    """Begin a call; None when the request is not for us to see.

    Args:
        funnel: The SDK's function.
        client: The SDK's client.
        args, kwargs: What the function was called with.
    """
    # While there is no SDK this is all that a call costs: few functions, as every one is cold.
    try:
        active = runtime.active()
        if active is None:
            return None
        context = get_current()
        bare = provider_context(context)
        begun = None
        if active.live and not rivals.suppressed(context):
            if finalizers.pending:
                finalizers.work_off()
            request = funnel.read(client, args, kwargs)
            if request is not None:
                endpoint = funnel.spec.match(request.method, request.url)
                if endpoint is not None:
                    begun = _begin(active, funnel, client, endpoint, request, context, bare)
        if begun is None and bare is not context:
            begun = Begun(None, bare)
        return begun
    except Exception as exc:  # noqa: BLE001
        guard.handle("begin", exc)
        return None


def _begin(
    active: Runtime,
    funnel: Funnel,
    client: Any,
    endpoint: Endpoint,
    request: Request,
    context: Context,
    bare: Context,
) -> Begun:
    lost_context.look(context)
    spec = funnel.spec
    default = request.provider or spec.provider
    server = active.servers.of(client, default, request.url, request.base_url)
    asking, unasked = None, False
    # Where nobody could hide what comes of it, it is no question.
    if request.streaming and endpoint.protocol.asks_for_usage and funnel.ask is not None:
        asking = _asking(active, server, endpoint, request)
        if asking is not None and not _may_ask(active, server, request):
            asking, unasked = None, True
    outer = own_calls.enclosing(context, endpoint.operation)
    call = (Call if outer is None else partial(own_calls.InnerCall, outer))(
        active,
        endpoint,
        server,
        request,
        context,
        own_span=not rivals.has_span(
            context, client, spec.package, funnel.function, endpoint.methods
        ),
        unasked=unasked,
    )
    try:
        inside = call.context if bare is context else provider_context(call.context)
        # A connection that is opened now keeps this context for as long as it lives: not the call.
        current = Context({**inside, _CALL: ref(call)})
    except Exception:
        abandon(call)
        raise
    return Begun(call, current, request, asking)


# ------------------------------------------------------------------ a stream's usage
def _asking(
    active: Runtime, server: Server, endpoint: Endpoint, request: Request
) -> Mapping[str, object] | None:
    """What would ask for a stream's usage; None where that is no question: the settings say never,
    the host sends it unasked or refuses, the caller has said what they want, or reads bytes."""
    never = active.settings.stream_usage == "never"
    if never or server.stream_usage in (UNASKED, REFUSED) or request.raw == "bytes":
        return None
    extra = request.extra
    if type(extra) is not dict and extra is not None:
        return None
    body = {**request.body, **extra} if extra else request.body
    return endpoint.protocol.asking(body, request.chunk)


def _may_ask(active: Runtime, server: Server, request: Request) -> bool:
    wanted = active.settings.stream_usage == "always" or server.stream_usage == ON_REQUEST
    return wanted and request.hides_events
