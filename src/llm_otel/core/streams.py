"""Watch a stream without standing in its way: the caller keeps the SDK's own object.

Two hooks end a call exactly once. Inside: the SDK's `_iterator` is wrapped, which sees every parsed
chunk. Below: the HTTP response's byte stream is wrapped, which sees the response being closed (the
`.stream()` helpers close that and nothing else) and being dropped to the garbage collector.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from time import perf_counter
from typing import Any

from llm_otel.base import finalizers, guard, read
from llm_otel.core import endings, folds
from llm_otel.core.call import Call

# More than this of a raw body is not kept: its usage stays unknown (bytes).
_MOST_KEPT = 16 * 1024 * 1024


# ------------------------------------------------------------------ parsed streams
def observe(iterator: Iterator[Any], call: Call, hide_usage: bool) -> Iterator[Any]:
    """The SDK's iterator over parsed chunks, observed."""
    look = _Look(call, hide_usage)
    call.reading = True
    try:
        for chunk in iterator:
            # Nearly every chunk is one choice that goes on, and nothing besides: to call a function
            # for it would cost more than to look. The same twice: `for` and `async for` are two.
            try:
                goes_on = (
                    look.fold.first is not None
                    and (fields := chunk.__dict__)["usage"] is None
                    and type(choices := fields["choices"]) is list
                    and len(choices) == 1
                    and choices[0].__dict__["finish_reason"] is None
                )
                if goes_on and hide_usage:
                    chunk.__pydantic_fields_set__.discard("usage")
            except Exception:  # noqa: BLE001 - another kind of chunk
                goes_on = False
            if goes_on:
                look.fold.last = chunk
            elif look.take(chunk):
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
        endings.fail("stream failed", call, exc)
        raise
    endings.end("stream drained", call, call.drained)


async def observe_async(
    iterator: AsyncIterator[Any], call: Call, hide_usage: bool
) -> AsyncIterator[Any]:
    """The same for asynchronous streams."""
    look = _Look(call, hide_usage)
    call.reading = True
    try:
        async for chunk in iterator:
            try:
                goes_on = (
                    look.fold.first is not None
                    and (fields := chunk.__dict__)["usage"] is None
                    and type(choices := fields["choices"]) is list
                    and len(choices) == 1
                    and choices[0].__dict__["finish_reason"] is None
                )
                if goes_on and hide_usage:
                    chunk.__pydantic_fields_set__.discard("usage")
            except Exception:  # noqa: BLE001 - another kind of chunk
                goes_on = False
            if goes_on:
                look.fold.last = chunk
            elif look.take(chunk):
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
        endings.fail("stream failed", call, exc)
        raise
    endings.end("stream drained", call, call.drained)


class _NeverBegun:
    """In place of a fold: every chunk is taken in by a call."""

    first = None


class _Look:
    """Takes chunks into a call, and out of the caller's sight what we alone asked for.

    Attributes:
        fold: Chunks with one choice that goes on need not be taken in, once it has a `first`: to
            be its `last` is enough.
    """

    __slots__ = ("_adds", "_call", "_hide_usage", "fold")

    def __init__(self, call: Call, hide_usage: bool) -> None:
        self._call = call
        self._hide_usage = hide_usage
        self.fold: Any = _NeverBegun
        self._adds: tuple[Callable[[Any], object], ...] = ()
        try:
            observers = call.watch()
            self._adds = tuple([observer.add for observer in observers])
            if len(observers) == 1 and isinstance(call.fold, folds.Choices):
                self.fold = call.fold
        except Exception as exc:  # noqa: BLE001
            guard.handle("watch stream", exc)

    def take(self, chunk: Any) -> bool:
        """Take a chunk in; True for one that the caller must not see."""
        try:
            if self._call.first_chunk_at is None:
                self._call.first_chunk_at = perf_counter()
            for add in self._adds:
                add(chunk)
        except Exception as exc:  # noqa: BLE001
            guard.handle("read chunk", exc)
            self._adds, self.fold = (), _NeverBegun
        try:
            return self._hide_usage and folds.hide_usage(chunk)
        except Exception as exc:  # noqa: BLE001
            guard.handle("hide usage", exc)
            return False


# ------------------------------------------------------------------ byte streams
class _Watched:
    """A byte stream of httpx (any major version), watched for its close."""

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner = inner
        self._call = call

    def _closed(self, when: endings.When = finalizers.end) -> None:
        """End the call.

        Args:
            when: `finalizers.defer` in a finaliser.
        """
        endings.leave(self._call, when)

    def __del__(self) -> None:
        try:
            self._closed(finalizers.defer)
        except Exception:  # noqa: BLE001 - the interpreter may be going down
            pass


class _Tapped(_Watched):
    """The same, for callers that read raw bytes: keeps what they read until they have read it."""

    def __init__(self, inner: Any, call: Call) -> None:
        super().__init__(inner, call)
        self._kept: list[bytes] | None = []
        # Audio and the like tell nothing that we could read.
        headers = getattr(call.response, "headers", None) or {}
        kind = str(headers.get("content-type", ""))
        self._told = "json" in kind or "event-stream" in kind or not kind
        self._size = 0
        self._drained = False
        self._error: BaseException | None = None

    def _keep(self, data: bytes) -> None:
        if self._kept is None:
            return
        call = self._call
        if call.first_chunk_at is None and call.streaming:
            call.first_chunk_at = perf_counter()
        if not self._told:
            return
        self._size += len(data)
        if self._size <= _MOST_KEPT:
            self._kept.append(data)
        else:
            self._kept.clear()

    def _closed(self, when: endings.When = finalizers.end) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        call = self._call
        drained, error = self._drained, self._error
        # Read to its end, or to an error: no finaliser reads.
        if when is finalizers.end and (drained or error is not None):
            _finish(call, kept, drained, error)
        else:
            when(lambda at: _finish(call, kept, drained, error, at))

    def _failed(self, exc: BaseException) -> None:
        self._error = exc
        self._closed(finalizers.defer if finalizers.may_be_final(exc) else finalizers.end)


class _SyncWatched(_Watched):
    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._closed()


class _AsyncWatched(_Watched):
    def __aiter__(self) -> AsyncIterator[bytes]:
        found: AsyncIterator[bytes] = self._inner.__aiter__()
        return found

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._closed()


class _SyncTapped(_Tapped, _SyncWatched):
    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self._inner:
                self._keep(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as exc:
            self._failed(exc)
            raise
        self._drained = True


class _AsyncTapped(_Tapped, _AsyncWatched):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._inner:
                self._keep(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as exc:
            self._failed(exc)
            raise
        self._drained = True


def watch_response(response: Any, call: Call, *, asynchronous: bool, tap: bool) -> None:
    """Put ourselves below a response whose body is not read yet.

    Args:
        response: The httpx response; its `stream` is replaced by one that passes everything on.
        call: What to tell.
        asynchronous: Which of the two kinds of stream it has.
        tap: Keep the bytes that pass, as nobody parses them for us.
    """
    endings.watch(call)
    if isinstance(read.get(response, "_content"), bytes):
        # The whole body is in memory (a cache, a test's transport): no byte passes, and closing
        # the response reaches no stream.
        if tap:
            _finish(call, [], drained=True)
            return
        endings.watch_close(response, call, asynchronous=asynchronous)
    base = _byte_stream(response, asynchronous)
    response.stream = _class_for(base, asynchronous, tap)(response.stream, call)


_KINDS: dict[tuple[bool, bool], type] = {
    (False, False): _SyncWatched,
    (False, True): _SyncTapped,
    (True, False): _AsyncWatched,
    (True, True): _AsyncTapped,
}


def _byte_stream(response: Any, asynchronous: bool) -> type:
    """The stream class that this httpx insists on: that of the stream which it has accepted, as
    the module of this name may have been imported anew."""
    name = "AsyncByteStream" if asynchronous else "SyncByteStream"
    for cls in type(response.stream).__mro__:
        if cls.__name__ == name:
            return cls
    base: type = getattr(sys.modules[type(response).__module__.partition(".")[0]], name)
    return base


@lru_cache(maxsize=32)
def _class_for(base: type, asynchronous: bool, tap: bool) -> type:
    """Our class as a subclass of httpx's."""
    kind = _KINDS[asynchronous, tap]
    return type(kind.__name__, (kind, base), {})


def _finish(
    call: Call,
    kept: list[bytes],
    drained: bool,
    error: BaseException | None = None,
    at: finalizers.Moment | None = None,
) -> None:
    endings.end("raw body closed", call, _finish_raw, call, kept, drained, error, at=at)


def _finish_raw(call: Call, kept: list[bytes], drained: bool, error: BaseException | None) -> None:
    """End a call whose caller read raw bytes, with what those tell."""
    response = call.response
    whole = read.get(response, "_content")
    drained = drained or isinstance(whole, bytes)
    body = whole if isinstance(whole, bytes) else _decoded(response, kept)
    streamed = call.streaming or _is_sse(response)
    if streamed:
        _observe_all(call, body)
    if error is not None:
        call.failed(error)
    elif not drained:
        call.left()
    elif streamed:
        call.drained()
    else:
        call.returned(read.body_of(body))


def finish_body(call: Call, response: Any) -> None:
    """End a call whose body the SDK has read and not parsed, with what that tells."""
    body = read.get(response, "_content")
    if isinstance(body, bytes) and _is_sse(response):
        _observe_all(call, body)
        call.drained()
    else:
        call.returned(read.body_of(body))


def _observe_all(call: Call, body: bytes) -> None:
    observers = call.watch()
    for chunk in read.events_of(body):
        for observer in observers:
            observer.add(chunk)


def _is_sse(response: Any) -> bool:
    """Whether a body is a stream of events: the caller may have asked for one in the body alone."""
    headers = getattr(response, "headers", None) or {}
    return "event-stream" in str(headers.get("content-type", ""))


def _decoded(response: Any, kept: list[bytes]) -> bytes:
    """What the raw bytes say, decompressed by the caller's own httpx."""
    raw = b"".join(kept)
    encoding = response.headers.get("content-encoding") if response is not None else None
    if not raw or not encoding or encoding == "identity":
        return raw
    try:
        twin = type(response)(200, headers={"content-encoding": encoding}, content=raw)
        decoded: bytes = twin.content
        return decoded
    except Exception:  # noqa: BLE001 - cut off in the middle: nothing to learn from it
        return b""
