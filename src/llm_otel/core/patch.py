"""Hook the one seam of a generated SDK: `client.request`, and `_process_response` inside it."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import wrapt
from opentelemetry import context as otel_context

from llm_otel.clients.spec import ClientSpec
from llm_otel.core import begin, endings, finalizers, fork, guard, rivals, runtime, streams
from llm_otel.core.call import Call, abandon

_logger = logging.getLogger("llm_otel")

# What `request` must accept for us to touch it.
_SIGNATURE = ("cast_to", "options", "stream", "stream_cls")


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
    if spec.package in sys.modules:
        _install_if_wanted(spec)
    elif spec.package not in _awaited:
        _awaited.add(spec.package)
        wrapt.register_post_import_hook(lambda _module: _install_if_wanted(spec), spec.package)
    return True


_wanted: dict[str, ClientSpec] = {}
_awaited: set[str] = set()
# The two base classes of each client that is hooked, and its hooks: class, name, what is there.
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
    hooks: tuple[Callable[..., Any], ...] = (_sync_hook(spec), _async_hook(spec))
    with _lock:
        _bases[spec.package] = tuple(targets)  # type: ignore[arg-type]
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
                _put(package, base, "_process_response", _received)


def _put(package: str, target: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Wrap a function, unless it is wrapped already: what `remove_all` had to leave is in use
    again, if nobody has thrown it away since. Call with the lock held."""
    kept = [each for each in _installed.get(package, ()) if not _removed(*each)]
    if (target, name) not in {(cls, known) for cls, known, _ in kept}:
        original = inspect.getattr_static(target, name)
        replacement: Any = wrapt.FunctionWrapper(original, wrapper)
        setattr(target, name, replacement)
        kept.append((target, name, replacement))
    _installed[package] = kept


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
        wrapper = getattr(function, "_self_wrapper", None)
        if getattr(wrapper, "__module__", None) == __name__:
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
def _sync_hook(spec: ClientSpec) -> Callable[..., Any]:
    def request(wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        started = begin.begin(spec, client, args, kwargs)
        if started is None:
            return wrapped(*args, **kwargs)
        token = otel_context.attach(started.context)
        try:
            result = wrapped(*started.args, **started.kwargs)
        except BaseException as exc:
            _failed(started.call, exc)
            raise
        finally:
            otel_context.detach(token)
        _returned(started, result, asynchronous=False)
        return result

    return request


def _async_hook(spec: ClientSpec) -> Callable[..., Any]:
    async def request(
        wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        started = begin.begin(spec, client, args, kwargs)
        if started is None:
            return await wrapped(*args, **kwargs)
        finalizers.ready()
        token = otel_context.attach(started.context)
        try:
            result = await wrapped(*started.args, **started.kwargs)
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


def _received(wrapped: Any, _client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The HTTP response, before the SDK makes something of it."""
    try:
        call = begin.current_call()
        if call is not None:
            call.received(kwargs.get("response"), kwargs.get("retries_taken", 0))
    except Exception as exc:  # noqa: BLE001
        guard.handle("received", exc)
    return wrapped(*args, **kwargs)


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
    response = getattr(result, "http_response", None)
    if started.raw is not None and response is not None:
        if call.streaming or started.raw == "stream":
            streams.watch_response(response, call, asynchronous=asynchronous, tap=True)
        else:
            call.returned(streams.read_body(response))
    elif call.streaming and hasattr(result, "_iterator"):
        wrap = streams.observe_async if asynchronous else streams.observe
        response = result.response
        result._iterator = wrap(result._iterator, call, started.hide_usage)
        streams.watch_response(response, call, asynchronous=asynchronous, tap=False)
    else:
        call.returned(result)
