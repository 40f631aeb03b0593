"""Hooks functions of an SDK by the table in its client's file, each by its shape."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llm_otel.base import frames, guard, read
from llm_otel.clients.spec import ClientSpec, Hook, Override
from llm_otel.core import begin, byte_streams, errors
from llm_otel.core.begin import Begun, Funnel
from llm_otel.core.call import Call
from llm_otel.protocols.spec import Request
from llm_otel.seams import bodies, calls, event_filter, imports, iterators, managers, sessions
from llm_otel.seams.replacing import accepts, caller, is_coroutine_function, replaced, stay_out


# ------------------------------------------------------------------ installing
def install(spec: ClientSpec) -> None:
    """Hook the client's functions, in each module now or when it is imported."""
    functions: tuple[Hook | Override, ...] = (*spec.hooks, *spec.overrides)
    for name in dict.fromkeys(each.module for each in functions):
        module = f"{spec.package}.{name}" if name else spec.package
        hooks = [each for each in functions if each.module == name]
        imports.watch_from_now(module, partial(_install, spec, module, hooks))


def _install(spec: ClientSpec, module_name: str, hooks: list[Hook | Override]) -> None:
    module = importlib.import_module(module_name)  # waits for a thread that is importing it
    unfit = []
    for path in dict.fromkeys(hook.function for hook in hooks):
        *_, name = path.split(".")
        owner = _owner(module, path)
        original = inspect.getattr_static(owner, name, None)
        if not isinstance(owner, type):
            unfit.append(path)
            continue
        fitting = [hook for hook in hooks if hook.function == path and _fits(hook, original)]
        if not fitting:
            unfit.append(path)
            continue
        with replaced.lock:
            replaced.put(owner, name, partial(_composed, spec, name, fitting))
    if unfit:
        stay_out(spec, *unfit)


def _owner(module: Any, path: str) -> Any:
    owner = module
    for name in path.split(".")[:-1]:
        owner = getattr(owner, name, None)
    return owner


def _fits(hook: Hook | Override, original: Any) -> bool:
    """Whether a function is what a hook knows: a method with these parameters, of this shape."""
    if not callable(original) or isinstance(original, (staticmethod, classmethod)):
        return False
    if isinstance(hook, Override):
        return accepts(original, hook.parameters)
    kinds = (is_coroutine_function(original), None)
    return accepts(original, hook.parameters) and _SHAPES[hook.shape].coroutine in kinds


def _composed(
    spec: ClientSpec, name: str, hooks: list[Hook | Override], original: Any
) -> Callable[..., Any]:
    """Our function, or several around each other: each sees the requests of its hook."""
    function = original
    for hook in hooks:
        if isinstance(hook, Override):
            function = hook.make(function)
            continue
        ask = None if hook.ask is None else partial(_asking, hook)
        funnel = Funnel(spec, name, partial(_request, hook), ask)
        observed = _SHAPES[hook.shape].make(funnel, hook, function)
        function = observed if hook.concerns is None else _choosing(hook, observed, function)
    replacement: Callable[..., Any] = function
    return replacement


def _choosing(hook: Hook, observed: Callable[..., Any], original: Any) -> Callable[..., Any]:
    """Our function for the clients that a hook concerns, the SDK's own for all others."""
    others = caller(original)

    def concerned(client: Any) -> bool:
        try:
            return hook.concerns is not None and hook.concerns(client)
        except Exception as exc:  # noqa: BLE001
            guard.handle("begin", exc)
            return False

    if is_coroutine_function(original):

        async def coroutine_function(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            return await (observed if concerned(client) else others)(client, *args, **kwargs)

        return coroutine_function

    def function(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        return (observed if concerned(client) else others)(client, *args, **kwargs)

    return function


def _request(hook: Hook, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    request = hook.request(client, args, kwargs)
    if request is None:
        return None
    outer = _under_way(request)
    if outer is not None:
        if hook.resends is not None:
            outer.retries = hook.resends(kwargs)
        return None
    if hook.ask is not None and request.streaming and hook.shape in _RESPONSES:
        return request._replace(hides_events=event_filter.works_here())
    return request


def _asking(
    hook: Hook, begun: Begun, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Begun, tuple[Any, ...], dict[str, Any]]:
    """The arguments with what asks for usage; where that fails, the caller's own and nothing to
    hide."""
    call, request, additions = begun.call, begun.request, begun.asking
    try:
        if hook.ask is None or call is None or request is None or additions is None:
            return begun._replace(asking=None), args, kwargs
        arguments = hook.ask(args, kwargs, additions)
        # What is on its way now, should the function call itself to try again.
        call.request = request._replace(body={**request.body, **additions})
    except Exception as exc:  # noqa: BLE001
        guard.handle("ask for usage", exc)
        return begun._replace(asking=None), args, kwargs
    return begun, *arguments


def _under_way(request: Request) -> Call | None:
    """The call of a function that sends this very request and has called this one: itself, to try
    again, or another that has a hook, too."""
    outer = begin.current_call()
    if outer is None or not outer.open:
        return None
    same = outer.request.url == request.url and outer.request.body == request.body
    return outer if same else None


# ------------------------------------------------------------------ what the functions give
def _answer(hook: Hook, call: Call, begun: Begun, result: Any) -> Any:
    """A whole answer, or an iterator of chunks, or what holds one."""
    if hook.response is not None:
        _receive(hook, call, result)
    if call.streaming:
        for way in (hook.stream_at, (hook.body_key,)):
            holder, name, stream = None, "", result
            for name in filter(None, way):
                holder, stream = stream, _item(stream, name)
            if iterators.is_stream(stream):
                hides = begun.asking is not None
                observed = iterators.observe(stream, call, hook.chunk, hides, hook.goes_on)
                if holder is None:
                    return observed
                _put(holder, name, observed)
                return result
    body = _item(result, hook.body_key) if hook.body_key else None
    if hasattr(body, "read"):
        length = call.response.headers.get("content-length") if call.response is not None else None
        rest = {**result, hook.body_key: None}  # or the body would be kept by itself
        bodies.tap(body, call, partial(_answer_of_body, hook, rest), _size(length))
    else:
        call.returned(_node(hook, result))
    return result


def _size(length: object) -> int | None:
    return int(length) if isinstance(length, str) and length.isdecimal() else None


def _answer_of_body(hook: Hook, result: dict[Any, Any], data: bytes) -> object:
    """What the protocol reads, by a body that the caller has read."""
    return _node(hook, {**result, str(hook.body_key): data})


def _item(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _put(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[name] = value
    else:
        setattr(holder, name, value)


def _receive(hook: Hook, call: Call, outcome: Any) -> None:
    """Keep what is known of the HTTP response."""
    try:
        response = hook.response(outcome) if hook.response is not None else None
    except Exception as exc:  # noqa: BLE001 - the call goes on all the same
        guard.handle("received", exc)
        return
    if response is not None:
        call.received(response, response.retries)


def _node(hook: Hook, result: Any) -> object:
    try:
        return hook.answer(result)
    except Exception as exc:  # noqa: BLE001 - the call ends all the same
        guard.handle("read answer", exc)
        return None


def _response(asynchronous: bool, call: Call, begun: Begun, result: Any) -> Any:
    """An HTTP response, read or not."""
    call.received(result, call.retries)
    body = read.get(result, "_content")
    if isinstance(body, bytes) and _is_whole(call, result):
        _returned(call, result, body)
    elif isinstance(body, bytes):
        byte_streams.finish_body(call, result)
    else:
        byte_streams.watch_response(result, call, asynchronous=asynchronous, tap=True)
    if begun.asking is not None:
        event_filter.hide_usage(result, call.endpoint.protocol.hide_in_event)
    return result


def _is_whole(call: Call, response: Any) -> bool:
    """Whether a response is an answer that came as one, and not as bytes that are no JSON."""
    streamed = frames.is_stream(byte_streams.content_type(response))
    return errors.refused(response) is None and not (streamed or call.endpoint.bytes_out)


def _returned(call: Call, response: Any, body: bytes) -> None:
    """End a call with an answer that the SDK parses next. That fails where there should be JSON and
    is none, or a page; of plain text or bytes a caller may have asked for just these."""
    node = frames.last(frames.without_vectors(body) if call.endpoint.input_only else body)
    kind = byte_streams.content_type(response)
    if node is None and (not body or frames.is_readable(kind) or "html" in kind):
        call.refused(response.status_code, None)
    else:
        call.returned(call.endpoint.protocol.node(node, response))


# ------------------------------------------------------------------ shapes
class _Shape(NamedTuple):
    """How functions of a shape are replaced.

    Attributes:
        make: Makes ours.
        coroutine: Whether the function must be a coroutine function; None: it may.
    """

    make: Callable[[Funnel, Hook, Any], Callable[..., Any]]
    coroutine: bool | None


def _sync(funnel: Funnel, hook: Hook, original: Any) -> Callable[..., Any]:
    return calls.sync(funnel, partial(_answer, hook), original, partial(_receive, hook))


def _async(funnel: Funnel, hook: Hook, original: Any) -> Callable[..., Any]:
    return calls.asynchronous(funnel, partial(_answer, hook), original, partial(_receive, hook))


def _sync_response(funnel: Funnel, _: Hook, original: Any) -> Callable[..., Any]:
    return calls.sync(funnel, partial(_response, False), original)


def _async_response(funnel: Funnel, _: Hook, original: Any) -> Callable[..., Any]:
    return calls.asynchronous(funnel, partial(_response, True), original)


def _lazy(funnel: Funnel, hook: Hook, original: Any) -> Callable[..., Any]:
    return iterators.lazy(funnel, hook.chunk, original)


def _context(funnel: Funnel, _: Hook, original: Any) -> Callable[..., Any]:
    return managers.entered(funnel, partial(_response, False), original)


def _async_context(funnel: Funnel, hook: Hook, original: Any) -> Callable[..., Any]:
    follow = partial(sessions.follow, hook) if hook.messages else partial(_response, True)
    return managers.entered(funnel, follow, original)


# Shapes of functions that give an HTTP response.
_RESPONSES = ("response", "async_response")

_SHAPES: dict[str, _Shape] = {
    "sync": _Shape(_sync, False),
    "async": _Shape(_async, True),
    "generator": _Shape(_lazy, False),
    "async_generator": _Shape(_lazy, None),
    "context": _Shape(_context, False),
    "async_context": _Shape(_async_context, False),
    "response": _Shape(_sync_response, False),
    "async_response": _Shape(_async_response, True),
}
