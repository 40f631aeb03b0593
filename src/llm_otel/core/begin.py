"""Before the call: is it ours, whose is it, and may we ask for a stream's usage?"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context, create_key, get_current

from llm_otel.attribution import provider_context
from llm_otel.clients.spec import ClientSpec, Endpoint
from llm_otel.core import guard, read, rivals, runtime
from llm_otel.core.call import Call
from llm_otel.core.runtime import Runtime
from llm_otel.core.server import Server

RAW_HEADER = "X-Stainless-Raw-Response"

_CALL = create_key("llm_otel.call")
_NOTHING: Mapping[str, object] = {}


class Begun(NamedTuple):
    """A request that goes out under our eyes.

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
    found = otel_context.get_value(_CALL)
    return found if isinstance(found, Call) else None


def begin(
    spec: ClientSpec, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Begun | None:
    """Begin a call; None when the request is not for us to see."""
    try:
        active = runtime.active()
        if active is None:
            return None
        return _begin(active, spec, client, args, kwargs)
    except Exception as exc:  # noqa: BLE001
        guard.handle("begin", exc)
        return None


def _begin(
    active: Runtime,
    spec: ClientSpec,
    client: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Begun | None:
    context = get_current()
    bare = provider_context(context)
    if not active.live or rivals.suppressed(context):
        return None if bare is context else Begun(None, bare, args, kwargs)
    options = kwargs["options"] if "options" in kwargs else args[_position(kwargs)]
    endpoint = spec.match(options.method.lower(), options.url)
    if endpoint is None:
        return None if bare is context else Begun(None, bare, args, kwargs)
    streaming = kwargs.get("stream") is True
    body = options.json_data if type(options.json_data) is dict else _NOTHING
    extra = options.extra_json
    raw = _raw(options.headers)
    server = active.servers.of(client, spec, options.url)
    ask = streaming and raw is None and _ask(active, endpoint, server, body, extra)
    call = Call(
        active,
        endpoint,
        server,
        body,
        extra,
        context,
        streaming,
        own_span=not rivals.has_span(context, client, spec),
    )
    if ask:
        args, kwargs = _asking(args, kwargs, options, body, extra)
    inside = {**call.context, _CALL: call}
    if bare is not context:
        inside = {**provider_context(call.context), _CALL: call}
    return Begun(call, Context(inside), args, kwargs, raw, ask)


def _position(kwargs: dict[str, Any]) -> int:
    """Where `options` is among the positional arguments: behind `cast_to`, if that is there."""
    return 0 if "cast_to" in kwargs else 1


def _raw(headers: object) -> str | None:
    found = read.get(headers, RAW_HEADER)
    return found if isinstance(found, str) else None


# ------------------------------------------------------------------ a stream's usage
def _ask(
    active: Runtime,
    endpoint: Endpoint,
    server: Server,
    body: Mapping[str, object],
    extra: object,
) -> bool:
    """Whether to ask for the usage that the caller did not ask for.

    Never where the caller said `include_usage` themselves, whatever they said.
    """
    mode = active.settings.stream_usage
    if not endpoint.usage_on_request or mode == "never":
        return False
    if mode != "always" and not server.proven:
        return False
    options = _stream_options(body, extra)
    return options is None or (type(options) is dict and "include_usage" not in options)


def _stream_options(body: Mapping[str, object], extra: object) -> object:
    over = read.get(extra, "stream_options")
    return over if over is not None else body.get("stream_options")


def _asking(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Any,
    body: Mapping[str, object],
    extra: object,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The caller's arguments with copies of the options and bodies that ask for usage."""
    asked = copy.copy(options)
    wanted = {**(_stream_options(body, extra) or {}), "include_usage": True}  # type: ignore[dict-item]
    if read.get(extra, "stream_options") is not None:
        asked.extra_json = {**extra, "stream_options": wanted}  # type: ignore[dict-item]
    else:
        asked.json_data = {**body, "stream_options": wanted}
    if "options" in kwargs:
        return args, {**kwargs, "options": asked}
    at = _position(kwargs)
    return (*args[:at], asked, *args[at + 1 :]), kwargs
