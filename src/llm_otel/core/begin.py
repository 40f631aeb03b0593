"""Before the call: is it ours, whose is it, and may we ask for a stream's usage?"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from opentelemetry.context import Context, create_key, get_current

from llm_otel.attribution import provider_context
from llm_otel.base import finalizers, guard, read
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import rivals, runtime, sse_filter
from llm_otel.core.call import Call, abandon
from llm_otel.core.runtime import Runtime
from llm_otel.core.server import Server
from llm_otel.providers.stream_usage import ON_REQUEST, REFUSED, UNASKED

RAW_HEADER = "X-Stainless-Raw-Response"

# Its value for `with_streaming_response`: the caller reads bytes. `with_raw_response` sends others.
_BYTES = "stream"

_CALL = create_key("llm_otel.call")
_NOTHING: Mapping[str, object] = {}


class Begun(NamedTuple):
    """An instrumented request.

    Attributes:
        call: The call, or None when only the context is ours.
        context: To be current while the SDK works.
        args, kwargs: What to call the SDK with: the caller's own, unless usage is asked for.
        raw: Value of the SDK's raw-response header: the caller reads bytes.
        hide_usage: Usage was asked for by us.
    """

    call: Call | None
    context: Context
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    raw: str | None = None
    hide_usage: bool = False


def current_call() -> Call | None:
    """The call whose request is being sent in this context."""
    found = get_current().get(_CALL)
    call = found() if isinstance(found, ReferenceType) else None
    return call if isinstance(call, Call) else None


def begin(
    spec: ClientSpec, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Begun | None:
    """Begin a call; None when the request is not for us to see."""
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
            begun = _begin(active, spec, client, args, kwargs, context, bare)
        if begun is None and bare is not context:
            begun = Begun(None, bare, args, kwargs)
        return begun
    except Exception as exc:  # noqa: BLE001
        guard.handle("begin", exc)
        return None


def _begin(
    active: Runtime,
    spec: ClientSpec,
    client: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    context: Context,
    bare: Context,
) -> Begun | None:
    options = _options(args, kwargs)
    endpoint = spec.match(options.method.lower(), options.url) if options is not None else None
    if endpoint is None:
        return None
    streaming = kwargs.get("stream") is True
    body = options.json_data if type(options.json_data) is dict else _NOTHING
    extra = options.extra_json
    raw = _raw(options.headers)
    server = active.servers.of(client, spec, options.url)
    ask = unasked = False
    if streaming and endpoint.usage_on_request and raw != _BYTES:
        wanted = _wanted(active, server)
        if wanted is not None and _asks_nothing_yet(args, kwargs, options):
            ask = wanted and (raw is None or sse_filter.works_on(client))
            unasked = not ask
    asked = _asking(args, kwargs, options) if ask else (args, kwargs)
    call = Call(
        active,
        endpoint,
        server,
        body,
        extra,
        context,
        streaming,
        own_span=not rivals.has_span(context, client, spec, endpoint.kind),
        unasked=unasked,
    )
    try:
        inside = call.context if bare is context else provider_context(call.context)
        # A connection that is opened now keeps this context for as long as it lives: not the call.
        current = Context({**inside, _CALL: ref(call)})
    except Exception:
        abandon(call)
        raise
    return Begun(call, current, *asked, raw, ask)


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The request's options; None where they are missing or nothing that the SDK could send."""
    at = _position(kwargs)
    found = kwargs["options"] if "options" in kwargs else args[at] if len(args) > at else None
    known = read.fields(found)
    sendable = type(known.get("method")) is str and type(known.get("url")) is str
    return found if sendable and hasattr(found, "json_data") else None


def _position(kwargs: dict[str, Any]) -> int:
    """Where `options` is among the positional arguments: behind `cast_to`, if that is there."""
    return 0 if "cast_to" in kwargs else 1


def _raw(headers: object) -> str | None:
    found = read.get(headers, RAW_HEADER)
    return found if isinstance(found, str) else None


# ------------------------------------------------------------------ a stream's usage
def _wanted(active: Runtime, server: Server) -> bool | None:
    """Whether to ask for a stream's usage; None where that is no question: the settings say never,
    or the host sends it unasked or refuses."""
    mode = active.settings.stream_usage
    if mode == "never" or server.stream_usage in (UNASKED, REFUSED):
        return None
    return mode == "always" or server.stream_usage == ON_REQUEST


def _asks_nothing_yet(args: tuple[Any, ...], kwargs: dict[str, Any], options: Any) -> bool:
    """Whether the caller left it open, and we can both add to the body and hide what comes of it.

    Never where the caller said `include_usage` themselves, whatever they said.
    """
    cast_to = kwargs["cast_to"] if "cast_to" in kwargs else args[0]
    if "usage" not in getattr(cast_to, "__annotations__", ()):
        return False
    if type(options.json_data) is not dict or type(options.extra_json) not in (dict, type(None)):
        return False
    body = _merged(options)
    said = body.get("stream_options")
    left_open = said is None or (type(said) is dict and "include_usage" not in said)
    return left_open and body.get("stream") is True


def _merged(options: Any) -> dict[str, Any]:
    """The body as it goes over the wire: `extra_body` overrides."""
    return {**options.json_data, **(options.extra_json or {})}


def _asking(
    args: tuple[Any, ...], kwargs: dict[str, Any], options: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The caller's arguments with copies of the options and bodies that ask for usage."""
    wanted = {**(_merged(options).get("stream_options") or {}), "include_usage": True}
    asked = copy.copy(options)
    if options.extra_json:
        asked.extra_json = {**options.extra_json, "stream_options": wanted}
    else:
        asked.json_data = {**options.json_data, "stream_options": wanted}
    if "options" in kwargs:
        return args, {**kwargs, "options": asked}
    at = _position(kwargs)
    return (*args[:at], asked, *args[at + 1 :]), kwargs
