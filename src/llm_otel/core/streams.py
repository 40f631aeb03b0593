"""Watch a stream without standing in its way: the caller keeps the SDK's own object.

Two hooks end a call exactly once. Here, inside: the SDK's iterator over parsed chunks is wrapped.
Below it, in `byte_streams`: the HTTP response, which sees the stream being closed or dropped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter
from typing import Any

from llm_otel.base import finalizers, guard
from llm_otel.core import endings
from llm_otel.core.call import Call

# Gives what a protocol reads in a chunk.
Node = Callable[[Any], object]


def observe(iterator: Iterator[Any], call: Call, hides: bool) -> Iterator[Any]:
    """The SDK's iterator over parsed chunks, observed.

    Args:
        iterator: The SDK's.
        call: What to tell.
        hides: The stream's usage was asked for by us: the caller must see nothing of it.
    """
    look = Look(call, hides)
    call.reading = True
    try:
        for chunk in iterator:
            # The same twice: `for` and `async for` are two.
            try:
                passed = look.goes_on(chunk)
            except Exception:  # noqa: BLE001 - another kind of chunk
                passed = False
            if not passed and look.take(chunk):
                continue
            call.reading = False
            yield chunk
            call.reading = True
    except GeneratorExit:
        finalizers.defer(lambda at: endings.end("stream left", call, call.left, at=at))
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        raise
    except BaseException as exc:
        if call.reading:
            endings.fail("stream failed", call, exc)
        else:  # thrown in from outside, as by a loop that ends while a dropped stream is closed
            finalizers.defer(lambda at: endings.end("stream left", call, call.left, at=at))
        raise
    endings.end("stream drained", call, call.drained)


async def observe_async(
    iterator: AsyncIterator[Any], call: Call, hides: bool
) -> AsyncIterator[Any]:
    """The same for asynchronous streams."""
    look = Look(call, hides)
    call.reading = True
    try:
        async for chunk in iterator:
            try:
                passed = look.goes_on(chunk)
            except Exception:  # noqa: BLE001 - another kind of chunk
                passed = False
            if not passed and look.take(chunk):
                continue
            call.reading = False
            yield chunk
            call.reading = True
    except GeneratorExit:
        finalizers.defer(lambda at: endings.end("stream left", call, call.left, at=at))
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            await aclose()
        raise
    except BaseException as exc:
        if call.reading:
            endings.fail("stream failed", call, exc)
        else:  # thrown in from outside, as by a loop that ends while a dropped stream is closed
            finalizers.defer(lambda at: endings.end("stream left", call, call.left, at=at))
        raise
    endings.end("stream drained", call, call.drained)


def _never(chunk: Any) -> bool:  # noqa: ARG001
    return False


class Look:
    """Takes chunks into a call, and out of the caller's sight what we alone asked for.

    Args:
        call: What to tell.
        hides: The stream's usage was asked for by us.
        node: Gives what a protocol reads in a chunk, None for one that tells nothing; by default
            the chunk itself.
        is_piece: Whether a chunk behind the first only goes on with what came before, so that its
            node need not be made; asked where nobody but the fold looks at chunks. Of a stream of
            which something is hidden, of lines of text alone.

    Attributes:
        goes_on: The fold's quick way, once there was a first chunk, where nobody else looks at
            chunks: True for one that needs nothing more.
    """

    __slots__ = ("_adds", "_call", "_hides", "_is_piece", "_node", "_quick", "goes_on")

    def __init__(
        self,
        call: Call,
        hides: bool,
        node: Node | None = None,
        is_piece: Callable[[Any], bool] | None = None,
    ) -> None:
        self._call = call
        self._hides = hides
        self._node = node
        self._is_piece = is_piece
        self.goes_on: Callable[[Any], bool] = _never
        self._quick = self.goes_on
        self._adds: tuple[Callable[[Any], object], ...] = ()
        try:
            observers = call.watch(hides)
            self._adds = tuple([observer.add for observer in observers])
            if len(observers) == 1 and call.fold is not None:
                self._quick = call.fold.goes_on
        except Exception as exc:  # noqa: BLE001
            guard.handle("watch stream", exc)

    def see(self, chunk: Any) -> None:
        """Take a chunk in of a stream of which nothing is hidden."""
        try:
            if self._is_piece is not None and self.goes_on is not _never and self._is_piece(chunk):
                return
            node = chunk if self._node is None else self._node(chunk)
            try:
                if self.goes_on(node):
                    return
            except Exception:  # noqa: BLE001 - another kind of chunk
                pass
            self._add(node)
        except Exception as exc:  # noqa: BLE001
            guard.handle("read chunk", exc)
            self._stop()

    def take(self, chunk: Any) -> bool:
        """Take a chunk in; True for one that the caller must not see."""
        try:
            if (
                self._is_piece is not None
                and self.goes_on is not _never
                and (type(chunk) is str or type(chunk) is bytes)
                and self._is_piece(chunk)
            ):
                return False
            self._add(chunk if self._node is None else self._node(chunk))
        except Exception as exc:  # noqa: BLE001
            guard.handle("read chunk", exc)
            self._stop()
        try:
            return self._hides and self._call.endpoint.protocol.hide(chunk)
        except Exception as exc:  # noqa: BLE001
            guard.handle("hide usage", exc)
            return False

    def _add(self, node: object) -> None:
        if self._call.first_chunk_at is None:
            self._call.first_chunk_at = perf_counter()
            self.goes_on = self._quick
        if node is not None:
            for add in self._adds:
                add(node)

    def _stop(self) -> None:
        if self._call.first_chunk_at is None:
            self._call.first_chunk_at = perf_counter()
        self._adds, self.goes_on = (), _never
