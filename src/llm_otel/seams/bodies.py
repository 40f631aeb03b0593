"""Bodies that a caller reads from an object of the SDK, as from a file: kept as they are read.

The object stays the one that it is. A call ends when the last byte was read, when the body is
closed, or when it is dropped; what is read of a closed body is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_otel.base import guard
from llm_otel.core import endings
from llm_otel.core.call import Call
from llm_otel.seams import objects
from llm_otel.seams.replacing import is_coroutine_function

# More than this is not kept: then the response's headers alone tell.
_MOST_KEPT = 16 * 1024 * 1024

# Gives what a protocol reads, by what was read of the body.
Answer = Callable[[bytes], object]


def tap(body: Any, call: Call, answer: Answer, size: int | None) -> None:
    """Have a call ended by what its caller reads.

    Args:
        body: The SDK's object, with a `read`, which may be a coroutine function.
        call: What to tell.
        answer: Gives what the protocol reads.
        size: Bytes of the body, where the response says so.
    """
    state = _Body(call, answer, size)
    endings.watch(call)
    try:
        objects.put(body, _ASYNC if is_coroutine_function(body.read) else _SYNC, state)
    except TypeError:  # a class of Python's own, as in tests: nobody sees what is read
        state.end()
    except Exception as exc:  # noqa: BLE001
        guard.handle("watch body", exc)
        state.end()


class _Body:
    """What was read of a body.

    Attributes:
        inside: One of its methods reads by another.
    """

    def __init__(self, call: Call, answer: Answer, size: int | None) -> None:
        self._call = call
        self._answer = answer
        self._size = size
        self._read = 0
        self._kept: list[bytes] | None = []
        self.inside = False

    def take(self, data: object, last: bool) -> None:
        """Keep what was read.

        Args:
            data: The bytes.
            last: There are no more.
        """
        if self._kept is None or not isinstance(data, (bytes, bytearray)):
            return
        self._read += len(data)
        if self._read <= _MOST_KEPT:
            self._kept.append(bytes(data))
        else:
            self._kept.clear()
        if last or self._read == self._size:
            self.end()

    def end(self) -> None:
        """End the call."""
        pieces, self._kept = self._kept, None
        if pieces is not None:
            endings.end("body read", self._call, self._returned, pieces)

    def failed(self, exc: BaseException) -> None:
        """Reading it failed."""
        if self._kept is not None:
            self._kept = None
            endings.fail("body failed", self._call, exc)

    def left(self, when: endings.When) -> None:
        """The body was closed or dropped. The provider has made the whole answer all the same."""
        if self.inside:  # it closes itself, before it raises or gives the last bytes
            return
        pieces, self._kept = self._kept, None
        if pieces is not None:
            when(lambda at: endings.end("body left", self._call, self._returned, pieces, at=at))

    def _returned(self, pieces: list[bytes]) -> None:
        self._call.returned(self._answer(b"".join(pieces)))


BytesOf = Callable[[Any, tuple[Any, ...], dict[str, Any]], "tuple[object, bool]"]


def _reading(bytes_of: BytesOf) -> Callable[[Any], Callable[..., Any]]:
    """The hook of a method that reads.

    Args:
        bytes_of: Gives the bytes that were read, and whether there are no more, by what the method
            gave and its arguments.
    """

    def hook(original: Any) -> Callable[..., Any]:
        if is_coroutine_function(original):

            async def aread(self: Any, /, *args: Any, **kwargs: Any) -> Any:
                body = _outermost(self)
                if body is None:
                    return await original(self, *args, **kwargs)
                body.inside = True
                try:
                    result = await original(self, *args, **kwargs)
                except BaseException as exc:
                    body.failed(exc)
                    raise
                finally:
                    body.inside = False
                _take(body, bytes_of, result, args, kwargs)
                return result

            return aread

        def read_(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            body = _outermost(self)
            if body is None:
                return original(self, *args, **kwargs)
            body.inside = True
            try:
                result = original(self, *args, **kwargs)
            except BaseException as exc:
                body.failed(exc)
                raise
            finally:
                body.inside = False
            _take(body, bytes_of, result, args, kwargs)
            return result

        return read_

    return hook


def _outermost(target: Any) -> _Body | None:
    """What is known of a body whose method is called by no other of its methods."""
    body: _Body | None = objects.state_of(target)
    return None if body is None or body.inside else body


def _take(body: _Body, bytes_of: BytesOf, result: Any, args: Any, kwargs: Any) -> None:
    try:
        body.take(*bytes_of(result, args, kwargs))
    except Exception as exc:  # noqa: BLE001
        guard.handle("read body", exc)


def _amount(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[object, bool]:
    """What `read(amount)` gave: all without an amount, nothing at the end."""
    amount = args[0] if args else kwargs.get("amt", kwargs.get("size"))
    return result, amount is None or amount < 0 or (amount > 0 and not result)


def _into(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[object, bool]:
    buffer = args[0] if args else kwargs["b"]
    return bytes(memoryview(buffer)[:result]), not result and len(buffer) > 0


def _lines(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[object, bool]:
    return b"".join(result), not (args or kwargs)


def _pieces(original: Any) -> Callable[..., Any]:
    """A generator method, which gives the body in pieces."""

    def pieces(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        body = _outermost(self)
        if body is None:
            yield from original(self, *args, **kwargs)
            return
        iterator = original(self, *args, **kwargs)
        while True:
            body.inside = True
            try:
                piece = next(iterator)
            except StopIteration:
                break
            except BaseException as exc:
                body.failed(exc)
                raise
            finally:
                body.inside = False
            body.take(piece, False)
            yield piece
        body.take(b"", True)

    return pieces


def _entered(original: Any) -> Callable[..., Any]:
    """Entering a body may give what is below it."""
    if is_coroutine_function(original):

        async def aenter(self: Any) -> Any:
            inner = await original(self)
            _tap_below(self, inner)
            return inner

        return aenter

    def enter(self: Any) -> Any:
        inner = original(self)
        _tap_below(self, inner)
        return inner

    return enter


def _tap_below(target: Any, inner: Any) -> None:
    body = objects.state_of(target)
    if body is None or inner is target:
        return
    try:
        objects.put(inner, _BELOW, body)
    except TypeError:  # a class of Python's own
        pass
    except Exception as exc:  # noqa: BLE001
        guard.handle("watch body", exc)


_CLOSES = tuple((name, objects.closing) for name in ("close", "aclose", "__exit__", "__aexit__"))
_READS: objects.Methods = (("read", _reading(_amount)), ("readinto", _reading(_into)))
_ASYNC: objects.Methods = (*_READS, ("__aenter__", _entered), *_CLOSES)
_SYNC: objects.Methods = (
    *_READS,
    ("readlines", _reading(_lines)),
    ("__enter__", _entered),
    *_CLOSES,
)
# urllib3's response: its other methods read by these.
_BELOW: objects.Methods = (
    *_READS,
    ("read1", _reading(_amount)),
    ("read_chunked", _pieces),
    *_CLOSES,
)
