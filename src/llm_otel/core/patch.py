"""Hook the one seam of a generated SDK: `client.request`, and `_process_response` inside it."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import wrapt
from opentelemetry import context as otel_context

from llm_otel.base import finalizers, fork, guard
from llm_otel.clients.spec import ClientSpec
from llm_otel.core import begin, endings, imports, rivals, runtime, sse_filter, streams
from llm_otel.core.call import Call, abandon

_logger = logging.getLogger("llm_otel")

# What `request` must accept for us to touch it.
_SIGNATURE = ("cast_to", "options", "stream", "stream_cls")

# Besides the HTTP response itself, what the SDK makes of one for a caller who wants it as it is.
_UNPARSED = frozenset({str, bytes, int, float, bool, type(None)})


# Makes the function that goes in the place of an SDK's own.
Hook = Callable[[Any], Callable[..., Any]]


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
# The base classes of each client that is hooked, and its hooks: class, name, what is there.
_bases: dict[str, tuple[type, ...]] = {}
_installed: dict[str, list[tuple[type, str, Any]]] = {}
# For these two. Nothing is imported with it held: an import may wait for us.
_lock = threading.Lock()
fork.renew(__name__, "_lock", threading.Lock)


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
    targets = [getattr(module, name, None) for name in spec.classes]
    if not all(_fits(target) for target in targets):
        _logger.warning(
            "llm-otel stays out of %s %s: its `request` is not the one we know (supported: %s).",
            spec.package,
            getattr(sys.modules[spec.package], "__version__", "?"),
            spec.supported,
        )
        return
    hooks: tuple[Hook, ...] = (_sync_hook(spec), _async_hook(spec))
    with _lock:
        older = _bases.get(spec.package, ())
        _bases[spec.package] = tuple(dict.fromkeys((*older, *targets)))  # type: ignore[arg-type]
        for base, hook in zip(targets, hooks):
            for cls in (base, *_wrapped_before(base)):
                _put(spec.package, cls, "request", hook)
    active = runtime.active()
    if active is None or active.live:
        complete()


def complete() -> None:
    """Hook what is not worth its 4 µs a call while there is no SDK."""
    with _lock:
        for package, bases in _bases.items():
            for base in bases:
                _put(package, base, "_process_response", _response_hook)


def _put(package: str, target: Any, name: str, hook: Hook) -> None:
    """Wrap a function, unless it is wrapped already: what `remove_all` had to leave is in use
    again, if nobody has thrown it away since. Call with the lock held."""
    kept = [each for each in _installed.get(package, ()) if not _removed(*each)]
    if (target, name) not in {(cls, known) for cls, known, _ in kept}:
        original = inspect.getattr_static(target, name)
        replacement = in_place_of(original, hook(original))
        setattr(target, name, replacement)
        kept.append((target, name, replacement))
    _installed[package] = kept


def in_place_of(original: Any, function: Any) -> Any:
    """`function` with all that `inspect`, `pickle` and `copy` look at from `original`.

    A plain function, no wrapper object: it is pickled by its name and copied as what it replaces.
    """
    functools.update_wrapper(function, original)
    try:
        # `inspect.getfullargspec` does not follow `__wrapped__`.
        function.__signature__ = inspect.signature(original)
    except (TypeError, ValueError):
        pass
    return function


def caller(original: Any) -> Callable[..., Any]:
    """Calls what was on a class: a function, or a descriptor that somebody put there."""
    if type(original) is FunctionType:
        return original

    def call(client: Any, *args: Any, **kwargs: Any) -> Any:
        return original.__get__(client, type(client))(*args, **kwargs)

    return call


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


def _removed(target: type, name: str, replacement: Any) -> bool:
    return inspect.getattr_static(target, name) is replacement.__wrapped__


def _fits(target: Any) -> bool:
    try:
        parameters = inspect.signature(target.request).parameters
        return all(name in parameters for name in _SIGNATURE) and callable(target._process_response)
    except (AttributeError, TypeError, ValueError):
        return False


def remove_all() -> None:
    """Take our hooks out; one that somebody has wrapped since stays, and passes through."""
    with _lock:
        _wanted.clear()
        _bases.clear()
        for package, put in list(_installed.items()):
            left = []
            for target, name, replacement in put:
                if inspect.getattr_static(target, name) is replacement:
                    setattr(target, name, replacement.__wrapped__)
                else:
                    left.append((target, name, replacement))
            if left:
                _installed[package] = left
            else:
                del _installed[package]


# ------------------------------------------------------------------ the hooks
def _sync_hook(spec: ClientSpec) -> Hook:
    def hook(original: Any) -> Callable[..., Any]:
        wrapped = caller(original)

        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            started = begin.begin(spec, client, args, kwargs)
            if started is None:
                return wrapped(client, *args, **kwargs)
            token = otel_context.attach(started.context)
            try:
                result = wrapped(client, *started.args, **started.kwargs)
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
            started = begin.begin(spec, client, args, kwargs)
            if started is None:
                return await wrapped(client, *args, **kwargs)
            finalizers.ready()
            token = otel_context.attach(started.context)
            try:
                result = await wrapped(client, *started.args, **started.kwargs)
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
    if call is not None:
        endings.fail("failed", call, exc)


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
    if started.raw is not None and (response := getattr(result, "http_response", None)) is not None:
        if call.streaming or started.raw == "stream":
            streams.watch_response(response, call, asynchronous=asynchronous, tap=True)
            if started.hide_usage:
                sse_filter.hide_usage(response)
        else:
            streams.finish_body(call, response)
    elif call.streaming and hasattr(result, "_iterator"):
        wrap = streams.observe_async if asynchronous else streams.observe
        response = result.response
        result._iterator = wrap(result._iterator, call, started.hide_usage)
        streams.watch_response(response, call, asynchronous=asynchronous, tap=False)
    elif call.streaming and result is call.response:
        streams.watch_response(result, call, asynchronous=asynchronous, tap=True)
    elif result is call.response or type(result) in _UNPARSED or call.endpoint.kind == "speech":
        streams.finish_body(call, call.response)
    else:
        call.returned(result)
