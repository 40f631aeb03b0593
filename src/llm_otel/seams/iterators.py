"""Iterators of chunks that an SDK gives its callers: observed, and as they were.

What is a generator stays one, with its `send`, `throw` and `close`; any other iterator stays the
object that it is.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import AsyncGeneratorType, GeneratorType
from typing import Any, cast

from opentelemetry.context import Context, get_current

from llm_otel.base import activation, finalizers, guard
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

    Attributes:
        call: What to tell; None when it was told.
        hides: The stream's usage was asked for by us: `shown` takes a chunk in, else `see`.
        see: Takes a chunk in.
        sends: The next step sends the request.
    """

    def __init__(
        self, call: Call | None, chunk: Node, context: Context | None, hides: bool = False
    ) -> None:
        super().__init__(context if context is not None else get_current())
        self.call = call
        self.hides = hides
        self.see: Callable[[Any], object] = _unseen
        self.sends = context is not None
        self._look: Look | None = None
        if call is not None:
            self._look = Look(call, hides, None if chunk is as_it_is else chunk)
            self.see = self._look.see
            call.streaming = True
            endings.watch(call)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around the step that sends the request."""
        self.resume()
        try:
            yield
        finally:
            self.suspend()
            self.sends = False

    def shown(self, item: Any) -> Any:
        """Take a chunk in; gives what the caller gets of it, `HIDDEN` for nothing."""
        if self._look is None or self.call is None:
            return item
        if self._look.take(item):
            return HIDDEN
        return _without_usage(item, self.call) if isinstance(item, (str, bytes)) else item

    def end(self, error: BaseException | None) -> None:
        super().end(error)
        # A connection that was opened meanwhile keeps the context, and with it this object.
        call, self.call, self.see, self._look = self.call, None, _unseen, None
        if call is None:
            return
        call.reading = False
        if error is None:
            endings.end("stream drained", call, call.drained)
        else:
            endings.fail("stream failed", call, error)

    def left(self, when: endings.When = finalizers.end) -> None:
        """It was closed or dropped, perhaps before its first step.

        Args:
            when: `finalizers.defer` in a finaliser.
        """
        if self.call is not None:
            endings.leave(self.call, when)


def _unseen(chunk: Any) -> None:
    """Take a chunk in of which nobody is to be told."""


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

# In place of a chunk that is none for the caller.
HIDDEN: Any = object()

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


def observe(iterator: Any, call: Call, chunk: Node, hides: bool = False) -> Any:
    """An iterator of chunks whose request was sent; the call ends with it.

    Args:
        iterator: The SDK's, sync or async.
        call: What to tell.
        chunk: Gives the node in a chunk.
        hides: The stream's usage was asked for by us: the caller must see nothing of it.
    """
    reading = _Reading(call, chunk, None, hides)
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
    seen: Any = (_async_generator_steps if is_async else _generator_steps)(body, begin_reading)
    if reading is not None:
        # A generator that is dropped before its first step runs nothing.
        weakref.finalize(seen, reading.left, finalizers.defer).atexit = False
    return seen


# As in `activation`, but the context is current at the first step alone: with each of many chunks
# goes what tells whether it is being read, as an SDK's iterator may close itself before it raises,
# and who reads it will know how it ends.
def _generator_steps(body: Any, begin_reading: Begin) -> Generator[Any, Any, Any]:
    reading = begin_reading()
    call, see, hides = reading.call, reading.see, reading.hides
    step, value = body.send, None
    try:
        while True:
            if call is not None:
                call.reading = True
            if reading.sends:
                with reading.sending():
                    item = step(value)
            else:
                item = step(value)
            if call is not None:
                call.reading = False
                if not hides:
                    see(item)
                elif (item := reading.shown(item)) is HIDDEN:
                    step, value = body.send, None
                    continue
            try:
                step, value = body.send, (yield item)
            except BaseException as thrown:  # noqa: BLE001 - the body's own, closing included
                step, value = body.throw, thrown
    except StopIteration as stop:
        reading.end(activation.closing(value))
        return stop.value
    except BaseException as error:
        reading.end(error)
        raise


async def _async_generator_steps(body: Any, begin_reading: Begin) -> AsyncGenerator[Any, Any]:
    reading = begin_reading()
    call, see, hides = reading.call, reading.see, reading.hides
    step, value = body.asend, None
    try:
        while True:
            if call is not None:
                call.reading = True
            if reading.sends:
                with reading.sending():
                    item = await step(value)
            else:
                item = await step(value)
            if call is not None:
                call.reading = False
                if not hides:
                    see(item)
                elif (item := reading.shown(item)) is HIDDEN:
                    step, value = body.asend, None
                    continue
            try:
                step, value = body.asend, (yield item)
            except BaseException as thrown:  # noqa: BLE001 - the body's own, closing included
                step, value = body.athrow, thrown
    except StopAsyncIteration:
        reading.end(activation.closing(value))
    except BaseException as error:
        reading.end(error)
        raise


# ------------------------------------------------------------------ other iterators
class _Stream:
    """An iterable of an SDK, which has one reading, however often it is iterated over."""

    def __init__(self, begin_reading: Begin, reading: _Reading | None) -> None:
        self._begin: Begin | None = begin_reading
        self._reading = reading

    def reading(self) -> _Reading:
        """What its next step belongs to."""
        if self._reading is None and self._begin is not None:
            # What begins it holds the request.
            begin_reading, self._begin = self._begin, None
            self._reading = begin_reading()
        return cast(_Reading, self._reading)

    def left(self, when: endings.When) -> None:
        if self._reading is not None:
            self._reading.left(when)


def _iter(original: Any) -> Callable[..., Any]:
    """Of an iterable that is no iterator."""

    def iterate(self: Any) -> Any:
        iterator, stream = original(self), objects.state_of(self)
        return iterator if stream is None else _seen(iterator, stream.reading)

    return iterate


def _next(original: Any) -> Callable[..., Any]:
    def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None:
            return original(self)
        reading = stream.reading()
        call = reading.call
        item = HIDDEN
        while item is HIDDEN:
            try:
                if call is not None:
                    call.reading = True
                if reading.sends:
                    with reading.sending():
                        item = original(self)
                else:
                    item = original(self)
            except BaseException as error:
                reading.end(None if isinstance(error, StopIteration) else error)
                raise
            if call is not None:
                call.reading = False
                if reading.hides:
                    item = reading.shown(item)
                else:
                    reading.see(item)
        return item

    return step


def _anext(original: Any) -> Callable[..., Any]:
    async def step(self: Any) -> Any:
        stream = objects.state_of(self)
        if stream is None:
            return await original(self)
        reading = stream.reading()
        call = reading.call
        item = HIDDEN
        while item is HIDDEN:
            try:
                if call is not None:
                    call.reading = True
                if reading.sends:
                    with reading.sending():
                        item = await original(self)
                else:
                    item = await original(self)
            except BaseException as error:
                reading.end(None if isinstance(error, StopAsyncIteration) else error)
                raise
            if call is not None:
                call.reading = False
                if reading.hides:
                    item = reading.shown(item)
                else:
                    reading.see(item)
        return item

    return step


_CLOSES = tuple((name, objects.closing) for name in ("close", "aclose", "__exit__", "__aexit__"))
# Which of an iterator's methods gives its chunks.
_GIVES: objects.Methods = (
    ("__anext__", _anext),
    ("__aiter__", _iter),
    ("__next__", _next),
    ("__iter__", _iter),
)


def _methods(iterator: Any) -> objects.Methods:
    gives = next(method for method in _GIVES if hasattr(iterator, method[0]))
    return (gives, *_CLOSES)
