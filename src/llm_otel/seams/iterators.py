"""Iterators of chunks that an SDK gives its callers: observed, and as they were.

What is a generator stays one, with its `send`, `throw` and `close`; any other iterator stays the
object that it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from inspect import isasyncgenfunction
from types import AsyncGeneratorType, GeneratorType
from typing import Any, cast

from llm_otel.base import finalizers, guard
from llm_otel.core import begin, endings, runtime
from llm_otel.core.begin import Funnel
from llm_otel.core.call import Call
from llm_otel.core.streams import Node
from llm_otel.seams import calls, objects, reading
from llm_otel.seams.reading import HIDDEN, Begin, Reading
from llm_otel.seams.replacing import caller, is_coroutine_function, weakly

# Of the flags of a class, Py_TPFLAGS_HEAPTYPE and _IMMUTABLETYPE tell one made by `class`.
_PYTHON_CLASS = 1 << 9
_CLASS_FLAGS = _PYTHON_CLASS | 1 << 8


def lazy(funnel: Funnel, chunk: Node, original: Any) -> Callable[..., Any]:
    """A function that goes in the place of an SDK's, whose iterators begin a call at their first
    step.

    Args:
        funnel: How to read the function's requests.
        chunk: Gives the node in a chunk.
        original: The SDK's: a generator function, or one that gives an iterator.
    """
    wrapped = caller(original)

    def observed(iterator: Any, client: Any, args: Any, kwargs: Any) -> Any:
        # A client may keep its streams: what is known of these must not keep the client.
        reference = weakly(client)

        def begin_reading() -> Reading:
            sender = reference()
            begun = begin.begin(funnel, sender, args, kwargs)
            if begun is None:
                return Reading(None, chunk, None)
            return Reading(begun.call, chunk, calls.inside(funnel, sender, begun.context))

        return iterator if runtime.active() is None else _seen(iterator, begin_reading)

    if is_coroutine_function(original):

        async def coroutine_function(client: Any, /, *args: Any, **kwargs: Any) -> Any:
            return observed(await wrapped(client, *args, **kwargs), client, args, kwargs)

        return coroutine_function

    def function(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        return observed(wrapped(client, *args, **kwargs), client, args, kwargs)

    return function


def observe(
    iterator: Any,
    call: Call,
    chunk: Node,
    hides: bool = False,
    goes_on: Callable[[Any], bool] | None = None,
) -> Any:
    """An iterator of chunks whose request was sent; the call ends with it.

    Args:
        iterator: The SDK's, sync or async.
        call: What to tell.
        chunk: Gives the node in a chunk.
        hides: The stream's usage was asked for by us: the caller must see nothing of it.
        goes_on: Whether a chunk only goes on with what came before, so that no node is made of it.
    """
    ready = Reading(call, chunk, None, hides, goes_on)
    return _seen(iterator, lambda: ready, ready)


def is_stream(value: Any) -> bool:
    """Whether a value can be iterated over, and is no node or text."""
    if isinstance(value, (dict, list, tuple, str, bytes)) or hasattr(value, "__pydantic_fields__"):
        return False
    return hasattr(value, "__aiter__") or hasattr(value, "__iter__")


def _seen(iterator: Any, begin_reading: Begin, ready: Reading | None = None) -> Any:
    """What goes in the place of an iterator: itself where it is none, or where we fail.

    Args:
        iterator: The SDK's.
        begin_reading: Called at the first step.
        ready: What that gives, if that is there already.
    """
    try:
        if isinstance(iterator, (GeneratorType, AsyncGeneratorType)):
            return _generator(iterator, begin_reading, ready)
        if not is_stream(iterator):
            return iterator
        if type(iterator).__flags__ & _CLASS_FLAGS != _PYTHON_CLASS:  # `map` and the like
            return _generator(_steps(iterator), begin_reading, ready)
        try:
            objects.put(iterator, _methods(iterator), _Stream(begin_reading, ready))
        except TypeError:  # it can have no weak references, or no subclass
            if hasattr(iterator, "__aiter__"):
                raise
            return _generator(_steps(iterator), begin_reading, ready)
    except Exception as exc:  # noqa: BLE001
        guard.handle("watch stream", exc)
        if ready is not None:
            ready.end(None)
    return iterator


def _steps(iterator: Any) -> Iterator[Any]:
    yield from iterator


def _generator(body: Any, begin_reading: Begin, ready: Reading | None) -> Any:
    is_async = isinstance(body, AsyncGeneratorType)
    observer: Any = (reading.async_generator if is_async else reading.generator)(
        body, begin_reading
    )
    if ready is not None:
        # A generator that is dropped before its first step runs nothing.
        weakref.finalize(observer, ready.left, finalizers.defer).atexit = False
    return observer


# ------------------------------------------------------------------ other iterators
class _Stream:
    """An iterable of an SDK, which has one reading, however often it is iterated over."""

    def __init__(self, begin_reading: Begin, ready: Reading | None) -> None:
        self._begin: Begin | None = begin_reading
        self._reading = ready

    def reading(self) -> Reading:
        """What its next step belongs to."""
        if self._reading is None and self._begin is not None:
            # What begins it holds the request.
            begin_reading, self._begin = self._begin, None
            self._reading = begin_reading()
        return cast(Reading, self._reading)

    def left(self, when: endings.When) -> None:
        if self._reading is not None:
            self._reading.left(when)


def _iter(original: Any) -> Callable[..., Any]:
    """Of an iterable that is no iterator, or gives another one than itself."""

    def iterate(self: Any) -> Any:
        iterator, stream = original(self), objects.state_of(self)
        if stream is None or iterator is self:
            return iterator
        return _seen(iterator, stream.reading)

    return iterate


def _next(original: Any) -> Callable[..., Any]:
    def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None:
            return original(self)
        of_stream = stream.reading()
        call = of_stream.call
        if call is not None and call.reading:  # a part of a step that is under way
            return original(self)
        item = HIDDEN
        while item is HIDDEN:
            try:
                if call is not None:
                    call.reading = True
                if of_stream.sends:
                    with of_stream.sending():
                        item = original(self)
                else:
                    item = original(self)
            except BaseException as error:
                of_stream.end(None if isinstance(error, StopIteration) else error)
                raise
            if call is not None:
                call.reading = False
                if of_stream.hides:
                    item = of_stream.shown(item)
                else:
                    of_stream.see(item)
        return item

    return step


def _anext(original: Any) -> Callable[..., Any]:
    async def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None:
            return await original(self)
        of_stream = stream.reading()
        call = of_stream.call
        if call is not None and call.reading:  # a part of a step that is under way
            return await original(self)
        item = HIDDEN
        while item is HIDDEN:
            try:
                if call is not None:
                    call.reading = True
                if of_stream.sends:
                    with of_stream.sending():
                        item = await original(self)
                else:
                    item = await original(self)
            except BaseException as error:
                of_stream.end(None if isinstance(error, StopAsyncIteration) else error)
                raise
            if call is not None:
                call.reading = False
                if of_stream.hides:
                    item = of_stream.shown(item)
                else:
                    of_stream.see(item)
        return item

    return step


_CLOSES = tuple((name, objects.closing) for name in ("close", "aclose", "__exit__", "__aexit__"))
# Which of an iterator's methods give its chunks, asynchronous or synchronous.
_GIVES: tuple[objects.Methods, ...] = (
    (("__anext__", _anext), ("__aiter__", _iter)),
    (("__next__", _next), ("__iter__", _iter)),
)


def _methods(iterator: Any) -> objects.Methods:
    gives = next(
        methods for methods in _GIVES if any(hasattr(iterator, name) for name, _ in methods)
    )
    if isasyncgenfunction(getattr(type(iterator), "__anext__", None)):
        # What iterating asks for the next gives an iterator itself.
        gives = (("__anext__", _iter), ("__aiter__", _iter))
    return (*gives, *_CLOSES)
