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

from opentelemetry.context import Context, get_current

from llm_otel.base import activation, finalizers, guard
from llm_otel.base.activation import HIDDEN
from llm_otel.clients.spec import as_it_is
from llm_otel.core import begin, endings, runtime
from llm_otel.core.begin import Funnel
from llm_otel.core.call import Call
from llm_otel.core.streams import Look, Node
from llm_otel.seams import calls, objects
from llm_otel.seams.replacing import caller, is_coroutine_function, weakly


class _Reading(activation.Run):
    """One iteration over chunks.

    Args:
        call: What to tell; None where nobody is to be told.
        chunk: Gives the node that a protocol reads in a chunk.
        context: To be current at the first step, which sends the request; None where it was sent.
        hides: The stream's usage was asked for by us.
        goes_on: As in `Hook`.
    """

    def __init__(
        self,
        call: Call | None,
        chunk: Node,
        context: Context | None,
        hides: bool = False,
        goes_on: Callable[[Any], bool] | None = None,
    ) -> None:
        super().__init__(context if context is not None else get_current())
        self._call = call
        self._quick = chunk is as_it_is
        node = None if self._quick else chunk
        self._look = Look(call, hides, node) if call is not None else None
        self._hides = hides
        # What was asked for has to be taken out of each chunk.
        self._goes_on = None if hides else goes_on
        self.is_stepping = False
        self._sends = context is not None
        self._left_open = False
        self._thrown: BaseException | None = None
        if call is not None:
            call.streaming = True
            endings.watch(call)

    def resume(self) -> None:
        self.is_stepping = True
        # An SDK's iterator may close itself before it raises: who reads will know how it ends.
        if self._call is not None:
            self._call.reading = True
        if self._sends:
            super().resume()

    def suspend(self) -> None:
        self.is_stepping = False
        if self._call is not None:
            self._call.reading = False
        if self._sends:
            self._sends = False
            if get_current() is self._context:
                super().suspend()
            else:
                # A generator that leaves a span of its SDK current between chunks does so without
                # us, too. In the end it puts back what was current when it began: our context.
                self._left_open = True

    def gave(self, item: Any) -> Any:
        look = self._look
        if look is None or self._call is None:
            return item
        # The fold's quick way is for chunks as the SDK gives them.
        if self._quick:
            try:
                if look.goes_on(item):
                    return item
            except Exception:  # noqa: BLE001 - another kind of chunk
                pass
        if self._goes_on is not None and look.is_quick:
            try:
                if self._goes_on(item):
                    return item
            except Exception as exc:  # noqa: BLE001
                guard.handle("read chunk", exc)
        if look.take(item):
            return HIDDEN
        if self._hides and isinstance(item, (str, bytes)):
            return _without_usage(item, self._call)
        return item

    def thrown(self, error: BaseException) -> None:
        self._thrown = error

    def end(self, error: BaseException | None) -> None:
        if self._left_open:
            super().suspend()
        super().end(error)
        # A connection that was opened meanwhile keeps the context, and with it this object.
        call, self._call, self._look = self._call, None, None
        thrown, self._thrown = self._thrown, None
        if call is None:
            return
        if error is None:
            endings.end("stream drained", call, call.drained)
        elif error is thrown:  # as by a loop that ends while a dropped stream is closed
            endings.leave(call, finalizers.defer)
        else:
            endings.fail("stream failed", call, error)

    def left(self, when: endings.When = finalizers.end) -> None:
        """It was closed or dropped, perhaps before its first step.

        Args:
            when: `finalizers.defer` in a finaliser.
        """
        if self._call is not None:
            endings.leave(self._call, when)


def _without_usage(line: Any, call: Call) -> Any:
    """A line of text as it would be had nobody asked for usage, `HIDDEN` if it would not be."""
    try:
        event = line.encode() if isinstance(line, str) else line
        stripped = call.endpoint.protocol.hide_in_event(event)
        if stripped is event:
            return line
        if not stripped:
            return HIDDEN
        return stripped.decode() if isinstance(line, str) else stripped
    except Exception as exc:  # noqa: BLE001
        guard.handle("hide usage", exc)
        return line


Begin = Callable[[], _Reading]

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

        def begin_reading() -> _Reading:
            sender = reference()
            begun = begin.begin(funnel, sender, args, kwargs)
            if begun is None:
                return _Reading(None, chunk, None)
            return _Reading(begun.call, chunk, calls.inside(funnel, sender, begun.context))

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
        goes_on: As in `Hook`.
    """
    reading = _Reading(call, chunk, None, hides, goes_on)
    return _seen(iterator, lambda: reading, reading)


def is_stream(value: Any) -> bool:
    """Whether a value can be iterated over, and is no node or text."""
    if isinstance(value, (dict, list, tuple, str, bytes)) or hasattr(value, "__pydantic_fields__"):
        return False
    return hasattr(value, "__aiter__") or hasattr(value, "__iter__")


def _seen(iterator: Any, begin_reading: Begin, reading: _Reading | None = None) -> Any:
    """What goes in the place of an iterator: itself where it is none, or where we fail.

    Args:
        iterator: The SDK's.
        begin_reading: Called at the first step.
        reading: What that gives, if that is there already.
    """
    try:
        if isinstance(iterator, (GeneratorType, AsyncGeneratorType)):
            return _generator(iterator, begin_reading, reading)
        if not is_stream(iterator):
            return iterator
        if type(iterator).__flags__ & _CLASS_FLAGS != _PYTHON_CLASS:  # `map` and the like
            return _generator(_steps(iterator), begin_reading, reading)
        try:
            objects.put(iterator, _methods(iterator), _Stream(begin_reading, reading))
        except TypeError:  # it can have no weak references, or no subclass
            if hasattr(iterator, "__aiter__"):
                raise
            return _generator(_steps(iterator), begin_reading, reading)
    except Exception as exc:  # noqa: BLE001
        guard.handle("watch stream", exc)
        if reading is not None:
            reading.end(None)
    return iterator


def _steps(iterator: Any) -> Iterator[Any]:
    yield from iterator


def _generator(body: Any, begin_reading: Begin, reading: _Reading | None) -> Any:
    is_async = isinstance(body, AsyncGeneratorType)
    driven = activation.async_generator if is_async else activation.generator
    seen = driven(lambda: body, lambda *_: begin_reading())()
    if reading is not None:
        # A generator that is dropped before its first step runs nothing.
        weakref.finalize(seen, reading.left, finalizers.defer).atexit = False
    return seen


# ------------------------------------------------------------------ other iterators
class _Stream:
    """An iterable of an SDK, which has one reading, however often it is iterated over."""

    def __init__(self, begin_reading: Begin, reading: _Reading | None) -> None:
        self._begin: Begin | None = begin_reading
        self._reading = reading

    def step(self) -> _Reading:
        """What its next step belongs to."""
        if self._reading is None and self._begin is not None:
            # What begins it holds the request.
            begin_reading, self._begin = self._begin, None
            self._reading = begin_reading()
        return cast(_Reading, self._reading)

    @property
    def is_stepping(self) -> bool:
        """Whether a step is under way, which another one may be a part of."""
        return self._reading is not None and self._reading.is_stepping

    def left(self, when: endings.When) -> None:
        if self._reading is not None:
            self._reading.left(when)


def _iter(original: Any) -> Callable[..., Any]:
    """Of an iterable that is no iterator, or gives another one than itself."""

    def iterate(self: Any) -> Any:
        iterator, stream = original(self), objects.state_of(self)
        return iterator if stream is None or iterator is self else _seen(iterator, stream.step)

    return iterate


def _next(original: Any) -> Callable[..., Any]:
    def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None or stream.is_stepping:
            return original(self)
        reading = stream.step()
        item = HIDDEN
        while item is HIDDEN:
            try:
                reading.resume()
                try:
                    item = original(self)
                finally:
                    reading.suspend()
            except BaseException as error:
                reading.end(None if isinstance(error, StopIteration) else error)
                raise
            item = reading.gave(item)
        return item

    return step


def _anext(original: Any) -> Callable[..., Any]:
    async def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None or stream.is_stepping:
            return await original(self)
        reading = stream.step()
        item = HIDDEN
        while item is HIDDEN:
            try:
                reading.resume()
                try:
                    item = await original(self)
                finally:
                    reading.suspend()
            except BaseException as error:
                reading.end(None if isinstance(error, StopAsyncIteration) else error)
                raise
            item = reading.gave(item)
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
        gives = (("__anext__", _iter),)  # asked for the next, it gives an iterator itself
    return (*gives, *_CLOSES)
