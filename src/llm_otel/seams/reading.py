"""One iteration over chunks: which call it belongs to, and what of a chunk its caller gets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context, get_current

from llm_otel.base import activation, finalizers, guard
from llm_otel.clients.spec import as_it_is
from llm_otel.core import endings
from llm_otel.core.call import Call
from llm_otel.core.streams import Look, Node

# In place of a chunk that is none for the caller.
HIDDEN: Any = object()


class Reading(activation.Run):
    """One iteration over chunks.

    Args:
        call: What to tell; None where nobody is to be told.
        chunk: Gives the node that a protocol reads in a chunk.
        context: To be current at the first step, which sends the request; None where it was sent.
        hides: The stream's usage was asked for by us.
        goes_on: Whether a chunk only goes on with what came before; see `Look`.

    Attributes:
        call: What to tell; None when it was told.
        hides: The stream's usage was asked for by us: `shown` takes a chunk in, else `see`.
        see: Takes a chunk in.
        sends: The next step sends the request.
        thrown: What the caller has thrown into a generator.
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
        self.call = call
        self.hides = hides
        self.see: Callable[[Any], object] = _unseen
        self.sends = context is not None
        self.thrown: BaseException | None = None
        self._left_open = False
        self._look: Look | None = None
        if call is not None:
            self._look = Look(call, hides, None if chunk is as_it_is else chunk, goes_on)
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
            self.sends = False
            if get_current() is self._context:
                self.suspend()
            else:
                # A generator that leaves a span of its SDK current between chunks does so without
                # us, too. In the end it puts back what was current when it began: our context.
                self._left_open = True

    def shown(self, item: Any) -> Any:
        """Take a chunk in; gives what the caller gets of it, `HIDDEN` for nothing."""
        is_text = type(item) is str or type(item) is bytes
        look, call = self._look, self.call
        if (is_text and not item) or look is None or call is None:  # empty: between two events
            return item
        if look.take(item):
            return HIDDEN
        return _without_usage(item, call) if is_text else item

    def end(self, error: BaseException | None) -> None:
        if self._left_open:
            self.suspend()
        super().end(error)
        # A connection that was opened meanwhile keeps the context, and with it this object.
        call, self.call, self.see, self._look = self.call, None, _unseen, None
        thrown, self.thrown = self.thrown, None
        if call is None:
            return
        call.reading = False
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
        if self.call is not None:
            endings.leave(self.call, when)


def _unseen(chunk: Any) -> None:
    """Take a chunk in of which nobody is to be told."""


def _without_usage(line: Any, call: Call) -> Any:
    """A line of text as it would be had nobody asked for usage, `HIDDEN` if it would not be."""
    try:
        event = line.encode() if type(line) is str else line
        stripped = call.endpoint.protocol.hide_in_event(event)
        if stripped is event:
            return line
        if not stripped:
            return HIDDEN
        return stripped.decode() if type(line) is str else stripped
    except Exception as exc:  # noqa: BLE001
        guard.handle("hide usage", exc)
        return line


Begin = Callable[[], Reading]


# ------------------------------------------------------------------ generators
# As in `activation`, but for many chunks: the context is current at the first step alone. With each
# goes what tells whether it is being read, as an SDK's iterator may close itself before it raises,
# and who reads it will know how it ends.
def generator(body: Any, begin: Begin) -> Generator[Any, Any, Any]:
    """A generator of an SDK, observed.

    Args:
        body: The SDK's.
        begin: Called at the first step.
    """
    reading = begin()
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
                reading.thrown = thrown
    except StopIteration as stop:
        reading.end(activation.closing(value))
        return stop.value
    except BaseException as error:
        reading.end(error)
        raise


async def async_generator(body: Any, begin: Begin) -> AsyncGenerator[Any, Any]:
    """The same for asynchronous ones."""
    reading = begin()
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
            except BaseException as thrown:
                reading.thrown = thrown
                # A loop that ends closes all generators, the body perhaps first: Python throws
                # nothing into one that has ended.
                if getattr(body, "ag_frame", body) is None:
                    raise
                step, value = body.athrow, thrown
    except StopAsyncIteration:
        reading.end(activation.closing(value))
    except Exception as error:
        reading.end(error)
        raise
    except BaseException as error:
        # A loop that ends cancels who closes the generators that were dropped.
        reading.end(activation.closing(value) or error)
        raise
