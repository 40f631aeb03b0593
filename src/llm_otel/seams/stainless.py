"""Hook the one seam of a generated SDK: `client.request`, and `_process_response` inside it."""

from __future__ import annotations

import copy
import importlib
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import wrapt
from opentelemetry import context as otel_context

from llm_otel.base import finalizers, guard, read
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import begin, byte_streams, endings, rivals, runtime, streams
from llm_otel.core.call import Call, abandon
from llm_otel.protocols.spec import Request
from llm_otel.seams import event_filter, imports
from llm_otel.seams.replacing import Hook, Replacements, caller

_logger = logging.getLogger("llm_otel")

_RAW_HEADER = "X-Stainless-Raw-Response"
# Its value for `with_streaming_response`: the caller reads bytes. `with_raw_response` sends others.
_BYTES = "stream"
_NOTHING: Mapping[str, object] = {}

_COUNT = re.compile(r"[0-9]{1,4}")

# What `request` must accept for us to touch it.
_SIGNATURE = ("cast_to", "options", "stream", "stream_cls")

# Besides the HTTP response itself, what the SDK makes of one for a caller who wants it as it is.
_UNPARSED = frozenset({str, bytes, int, float, bool, type(None)})


def install(spec: ClientSpec) -> bool:
    """Hook a client, if it is installed; now, or as soon as it is imported.

    Returns:
        False when the client is not installed.
    """
    try:
        if find_spec(spec.package) is None:
            return False
    except (ImportError, ValueError):  # a test's stand-in for the client
        return False
    _wanted[spec.package] = spec
    # A client that is purged and imported anew, or reloaded, has new classes.
    imports.watch(spec.package, lambda: _install_if_wanted(spec))
    imports.watch(f"{spec.package}.{spec.base_module}", lambda: _base_imported(spec))
    if spec.package in sys.modules:
        _install_if_wanted(spec)
    return True


_wanted: dict[str, ClientSpec] = {}
# The base classes of each client that is hooked.
_bases: dict[str, tuple[type, ...]] = {}
_replaced = Replacements()


def _install_if_wanted(spec: ClientSpec) -> None:
    try:
        if spec.package in _wanted:
            _install_now(spec)
    except Exception as exc:  # noqa: BLE001 - we may be inside the application's import
        guard.handle("install", exc)


def _base_imported(spec: ClientSpec) -> None:
    """The module of the base classes was executed: as a part of its package, which is hooked when
    that is complete, or reloaded alone."""
    package = getattr(sys.modules.get(spec.package), "__spec__", None)
    if package is not None and not getattr(package, "_initializing", False):
        _install_if_wanted(spec)


def _install_now(spec: ClientSpec) -> None:
    module = importlib.import_module(f"{spec.package}.{spec.base_module}")
    targets: list[Any] = [getattr(module, name, None) for name in spec.classes]
    if not all(_fits(target) for target in targets):
        _logger.warning(
            "llm-otel stays out of %s %s: its `request` is not the one we know (supported: %s).",
            spec.package,
            getattr(sys.modules[spec.package], "__version__", "?"),
            spec.supported,
        )
        return
    hooks: tuple[Hook, ...] = (_sync_hook(spec), _async_hook(spec))
    with _replaced.lock:
        older = _bases.get(spec.package, ())
        _bases[spec.package] = tuple(dict.fromkeys((*older, *targets)))
        for base, hook in zip(targets, hooks):
            for cls in (base, *_wrapped_before(base)):
                _replaced.put(cls, "request", hook)
    active = runtime.active()
    if active is None or active.live:
        complete()


def complete() -> None:
    """Hook what is not worth its 4 µs a call while there is no SDK."""
    with _replaced.lock:
        for bases in _bases.values():
            for base in bases:
                _replaced.put(base, "_process_response", _response_hook)


def _wrapped_before(base: Any) -> Iterator[type]:
    """Subclasses on which somebody wrapped the base's own `request` before we did: what they call
    goes past our hook on the base."""
    for cls in base.__subclasses__():
        yield from _wrapped_before(cls)
        own = vars(cls).get("request")
        if isinstance(own, wrapt.FunctionWrapper) and not _calls_ours(own):
            yield cls


def _calls_ours(function: Any) -> bool:
    for _ in range(rivals.DEEPEST):
        if type(function) is FunctionType and function.__globals__ is globals():
            return True
        function = getattr(function, "__wrapped__", None)
    return False


def _fits(target: Any) -> bool:
    try:
        parameters = inspect.signature(target.request).parameters
        return all(name in parameters for name in _SIGNATURE) and callable(target._process_response)
    except (AttributeError, TypeError, ValueError):
        return False


def remove_all() -> None:
    """Take our hooks out; one that somebody has wrapped since stays, and passes through."""
    with _replaced.lock:
        _wanted.clear()
        _bases.clear()
        _replaced.remove_all()


# ------------------------------------------------------------------ requests
def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    """The request in the arguments of `request`; None where they hold nothing that the SDK could
    send."""
    options = _options(args, kwargs)
    if options is None:
        return None
    body = options.json_data if type(options.json_data) is dict else _NOTHING
    raw = read.get(options.headers, _RAW_HEADER)
    if not isinstance(raw, str):
        return Request(
            options.method.lower(),
            options.url,
            body,
            options.extra_json,
            kwargs.get("stream") is True,
            None,
            kwargs["cast_to"] if "cast_to" in kwargs else args[0],
        )
    return Request(
        options.method.lower(),
        options.url,
        body,
        options.extra_json,
        kwargs.get("stream") is True,
        "bytes" if raw == _BYTES else "parsed",
        kwargs["cast_to"] if "cast_to" in kwargs else args[0],
        event_filter.works_on(client),
    )


def _options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    at = _position(kwargs)
    options = kwargs["options"] if "options" in kwargs else args[at] if len(args) > at else None
    known = read.fields(options)
    sendable = type(known.get("method")) is str and type(known.get("url")) is str
    return options if sendable and hasattr(options, "json_data") else None


def _position(kwargs: dict[str, Any]) -> int:
    """Where `options` is among the positional arguments: behind `cast_to`, if that is there."""
    return 0 if "cast_to" in kwargs else 1


def _asking(
    started: begin.Begun, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[begin.Begun, tuple[Any, ...], dict[str, Any]]:
    """The arguments with a copy of the options whose body asks for usage; where that fails, the
    caller's own and nothing to hide."""
    try:
        options = copy.copy(_options(args, kwargs))
        if options.extra_json:
            options.extra_json = {**options.extra_json, **(started.asking or {})}
        else:
            options.json_data = {**options.json_data, **(started.asking or {})}
    except Exception as exc:  # noqa: BLE001
        guard.handle("ask for usage", exc)
        return started._replace(asking=None), args, kwargs
    if "options" in kwargs:
        return started, args, {**kwargs, "options": options}
    at = _position(kwargs)
    return started, (*args[:at], options, *args[at + 1 :]), kwargs


# ------------------------------------------------------------------ the hooks
def _sync_hook(spec: ClientSpec) -> Hook:
    def hook(original: Any) -> Callable[..., Any]:
        wrapped = caller(original)

        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            started = begin.begin(spec, client, _request, args, kwargs)
            if started is None:
                return wrapped(client, *args, **kwargs)
            if started.asking is not None:
                started, args, kwargs = _asking(started, args, kwargs)
            token = otel_context.attach(started.context)
            try:
                result = wrapped(client, *args, **kwargs)
            except BaseException as exc:
                _failed(started.call, exc)
                raise
            finally:
                otel_context.detach(token)
            _returned(started, result, asynchronous=False)
            return result

        return request

    return hook


def _async_hook(spec: ClientSpec) -> Hook:
    def hook(original: Any) -> Callable[..., Any]:
        wrapped = caller(original)

        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            started = begin.begin(spec, client, _request, args, kwargs)
            if started is None:
                return await wrapped(client, *args, **kwargs)
            if started.asking is not None:
                started, args, kwargs = _asking(started, args, kwargs)
            finalizers.ready()
            token = otel_context.attach(started.context)
            try:
                result = await wrapped(client, *args, **kwargs)
            except GeneratorExit as exc:
                # The coroutine was dropped: this may run in any context, so nothing is detached.
                _failed(started.call, exc)
                raise
            except BaseException as exc:
                otel_context.detach(token)
                _failed(started.call, exc)
                raise
            otel_context.detach(token)
            _returned(started, result, asynchronous=True)
            return result

        return request

    return hook


def _response_hook(original: Any) -> Callable[..., Any]:
    """Sees the HTTP response, before the SDK makes something of it."""
    wrapped = caller(original)
    if inspect.iscoroutinefunction(original):

        async def process_async(client: Any, *args: Any, **kwargs: Any) -> Any:
            _received(kwargs)
            return await wrapped(client, *args, **kwargs)

        return process_async

    def process(client: Any, *args: Any, **kwargs: Any) -> Any:
        _received(kwargs)
        return wrapped(client, *args, **kwargs)

    return process


def _received(kwargs: dict[str, Any]) -> None:
    try:
        call = begin.current_call()
        if call is not None:
            call.received(kwargs.get("response"), kwargs.get("retries_taken", 0))
    except Exception as exc:  # noqa: BLE001
        guard.handle("received", exc)


def _failed(call: Call | None, exc: BaseException) -> None:
    if call is None:
        return
    try:
        call.retries = call.retries or _resend_count(exc)
    except Exception as problem:  # noqa: BLE001
        guard.handle("received", problem)
    endings.fail("failed", call, exc)


def _resend_count(exc: BaseException) -> int:
    """How often a request that failed in the end was sent again; 0 where that is not known.

    The SDKs tell nobody but the provider, in a header of each request.
    """
    request = read.get(exc, "request") or read.get(read.get(exc, "response"), "_request")
    headers = read.get(request, "headers")
    count = headers.get("x-stainless-retry-count") if isinstance(headers, Mapping) else None
    return int(count) if isinstance(count, str) and _COUNT.fullmatch(count) else 0


def _returned(started: begin.Begun, result: Any, *, asynchronous: bool) -> None:
    call = started.call
    if call is None:
        return
    try:
        _follow(call, started, result, asynchronous)
    except Exception as exc:  # noqa: BLE001
        guard.handle("returned", exc)
        abandon(call)


def _follow(call: Call, started: begin.Begun, result: Any, asynchronous: bool) -> None:
    """Whole answers end here; the others when their body was read."""
    raw = started.request.raw if started.request is not None else None
    hides = started.asking is not None
    if raw is not None and (response := getattr(result, "http_response", None)) is not None:
        if call.streaming or raw == "bytes":
            byte_streams.watch_response(response, call, asynchronous=asynchronous, tap=True)
            if hides:
                event_filter.hide_usage(response, call.endpoint.protocol.hide_in_event)
        else:
            byte_streams.finish_body(call, response)
    elif call.streaming and hasattr(result, "_iterator"):
        wrap = streams.observe_async if asynchronous else streams.observe
        response = result.response
        result._iterator = wrap(result._iterator, call, hides)
        byte_streams.watch_response(response, call, asynchronous=asynchronous, tap=False)
    elif call.streaming and result is call.response:
        byte_streams.watch_response(result, call, asynchronous=asynchronous, tap=True)
    elif result is call.response or type(result) in _UNPARSED or call.endpoint.bytes_out:
        byte_streams.finish_body(call, call.response)
    else:
        call.returned(result)
