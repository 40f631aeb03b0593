"""Hook the one seam of a generated SDK: `client.request`, and `_process_response` inside it."""

from __future__ import annotations

import copy
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from llm_otel.base import guard, read
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import begin, byte_streams, runtime, streams
from llm_otel.core.begin import Begun, Funnel
from llm_otel.core.call import Call
from llm_otel.protocols.spec import Request
from llm_otel.seams import calls, event_filter, imports
from llm_otel.seams.replacing import accepts, caller, replaced, stay_out

_RAW_HEADER = "X-Stainless-Raw-Response"
# Its value for `with_streaming_response`: the caller reads bytes. `with_raw_response` sends others.
_BYTES = "stream"
_NOTHING: Mapping[str, object] = {}

_COUNT = re.compile(r"[0-9]{1,4}")

# What `request` must accept for us to touch it.
_SIGNATURE = ("cast_to", "options", "stream", "stream_cls")

# Besides the HTTP response itself, what the SDK makes of one for a caller who wants it as it is.
_UNPARSED = frozenset({str, bytes, int, float, bool, type(None)})


# The base classes of the clients that are hooked.
_bases: list[type] = []


def install(spec: ClientSpec) -> None:
    """Hook a client now, or as soon as it is imported."""
    # A client that is purged and imported anew, or reloaded, has new classes.
    imports.watch_from_now(spec.package, lambda: _install(spec))
    imports.watch(f"{spec.package}.{spec.base_module}", lambda: _base_imported(spec))


def _base_imported(spec: ClientSpec) -> None:
    """The module of the base classes was executed: as a part of its package, which is hooked when
    that is complete, or reloaded alone."""
    package = getattr(sys.modules.get(spec.package), "__spec__", None)
    if package is not None and not getattr(package, "_initializing", False):
        _install(spec)


def _install(spec: ClientSpec) -> None:
    try:
        module = importlib.import_module(f"{spec.package}.{spec.base_module}")
    except ImportError:  # something else in the place of the package, or another version of it
        stay_out(spec, "request")
        return
    targets: list[Any] = [getattr(module, name, None) for name in spec.classes]
    if not all(_fits(target) for target in targets):
        stay_out(spec, "request")
        return
    funnel = Funnel(spec, "request", _request, _asking, _resend_count)
    hooks = (
        partial(calls.sync, funnel, partial(_follow, False)),
        partial(calls.asynchronous, funnel, partial(_follow, True)),
    )
    with replaced.lock:
        _bases[:] = dict.fromkeys((*_bases, *targets))
        for base, hook in zip(targets, hooks):
            replaced.put(base, "request", hook)
    active = runtime.active()
    if active is None or active.live:
        complete()


def complete() -> None:
    """Hook what is not worth its 4 µs a call while there is no SDK."""
    with replaced.lock:
        for base in _bases:
            replaced.put(base, "_process_response", _response_hook)


def _fits(target: Any) -> bool:
    request = getattr(target, "request", None)
    return accepts(request, _SIGNATURE) and callable(getattr(target, "_process_response", None))


def forget() -> None:
    """Hook these classes no more."""
    _bases.clear()


# ------------------------------------------------------------------ requests
def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    """The request in the arguments of `request`; None where they hold nothing that the SDK could
    send."""
    options = _options(args, kwargs)
    known = read.fields(options)
    method, url, body = known.get("method"), known.get("url"), known.get("json_data")
    if type(method) is not str or type(url) is not str or not hasattr(options, "json_data"):
        return None
    streaming, hides = kwargs.get("stream") is True, True
    raw: Literal["parsed", "bytes"] | None = None
    header = read.get(known.get("headers"), _RAW_HEADER)
    if isinstance(header, str):
        raw = "bytes" if header == _BYTES else "parsed"
        hides = not streaming or event_filter.works_on(client)
    return Request(
        method.lower(),
        url,
        body if type(body) is dict else _NOTHING,
        known.get("extra_json"),
        streaming,
        raw,
        args[0] if "cast_to" not in kwargs else kwargs["cast_to"],
        hides,
    )


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "options" in kwargs:
        return kwargs["options"]
    at = _position(kwargs)
    return args[at] if len(args) > at else None


def _position(kwargs: dict[str, Any]) -> int:
    """Where `options` is among the positional arguments: behind `cast_to`, if that is there."""
    return 0 if "cast_to" in kwargs else 1


def _asking(
    begun: Begun, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Begun, tuple[Any, ...], dict[str, Any]]:
    """The arguments with a copy of the options whose body asks for usage; where that fails, the
    caller's own and nothing to hide."""
    try:
        options = copy.copy(_options(args, kwargs))
        if options.extra_json:
            options.extra_json = {**options.extra_json, **(begun.asking or {})}
        else:
            options.json_data = {**options.json_data, **(begun.asking or {})}
    except Exception as exc:  # noqa: BLE001
        guard.handle("ask for usage", exc)
        return begun._replace(asking=None), args, kwargs
    if "options" in kwargs:
        return begun, args, {**kwargs, "options": options}
    at = _position(kwargs)
    return begun, (*args[:at], options, *args[at + 1 :]), kwargs


# ------------------------------------------------------------------ the hooks
def _response_hook(original: Any) -> Callable[..., Any]:
    """Sees the HTTP response, before the SDK makes something of it."""
    wrapped = caller(original)
    if inspect.iscoroutinefunction(original):

        async def process_async(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            _received(kwargs)
            return await wrapped(client, *args, **kwargs)

        return process_async

    def process(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        _received(kwargs)
        return wrapped(client, *args, **kwargs)

    return process


def _received(kwargs: dict[str, Any]) -> None:
    try:
        call = begin.current_call()
        if call is not None:
            call.received(kwargs.get("response"), kwargs.get("retries_taken", 0))
            if call.runtime.policy.active:
                _note_what_was_sent(call, kwargs.get("options"))
    except Exception as exc:  # noqa: BLE001
        guard.handle("received", exc)


def _note_what_was_sent(call: Call, options: object) -> None:
    """Take the body that the SDK made of the caller's own objects, which may have been read by now
    or be changed before the call ends."""
    body = read.get(options, "json_data")
    if type(body) is dict and body is not call.request.body:
        call.request = call.request._replace(body=body)


def _resend_count(exc: BaseException) -> int:
    """How often a request that failed in the end was sent again; 0 where that is not known.

    The SDKs tell nobody but the provider, in a header of each request.
    """
    request = read.get(exc, "request") or read.get(read.get(exc, "response"), "_request")
    headers = read.get(request, "headers")
    count = headers.get("x-stainless-retry-count") if isinstance(headers, Mapping) else None
    return int(count) if isinstance(count, str) and _COUNT.fullmatch(count) else 0


def _follow(asynchronous: bool, call: Call, begun: Begun, result: Any) -> Any:
    """Whole answers end here; the others when their body was read."""
    raw = call.request.raw
    hides = begun.asking is not None
    if raw is not None and (response := getattr(result, "http_response", None)) is not None:
        if call.streaming or raw == "bytes":
            byte_streams.watch_response(response, call, asynchronous=asynchronous, tap=True)
            if hides:
                event_filter.hide_usage(response, call.endpoint.protocol.hide_in_event)
        else:
            byte_streams.finish_body(call, response)
    elif call.streaming and hasattr(result, "_iterator"):
        wrap = streams.observe_async if asynchronous else streams.observe
        # A decoder of lines calls it by another name.
        response = getattr(result, "response", None) or result.http_response
        result._iterator = wrap(result._iterator, call, hides)
        byte_streams.watch_response(response, call, asynchronous=asynchronous, tap=False)
    elif call.streaming and result is call.response:
        byte_streams.watch_response(result, call, asynchronous=asynchronous, tap=True)
    elif result is call.response or type(result) in _UNPARSED or call.endpoint.bytes_out:
        byte_streams.finish_body(call, call.response)
    else:
        call.returned(result)
    return result
