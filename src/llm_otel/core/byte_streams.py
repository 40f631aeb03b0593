"""Watch the bytes of a response: its close, its being dropped, and what callers read raw.

The `.stream()` helpers of the SDKs close the response and nothing else, so that this, below the
parsed stream, is where the end of a stream that is left early is seen.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any

from llm_otel.base import finalizers, frames, read
from llm_otel.core import endings, errors
from llm_otel.core.call import Call

# More than this of a raw body is not kept: its usage stays unknown (bytes).
_MOST_KEPT = 16 * 1024 * 1024


_NOTHING: Mapping[str, object] = {}


class _Watched:
    """A byte stream of httpx (any major version), watched for its close.

    What an SDK put on the stream is here, too (`_class_for`). No `__getattr__`: an SDK may look for
    what is not there with every chunk, which would cost as much as all else that a chunk costs.
    """

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner = inner
        self._call = call
        for name, value in getattr(inner, "__dict__", _NOTHING).items():
            if not name.startswith("_"):
                self.__dict__[name] = value

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
        self._drained = False
        self._error: BaseException | None = None

    def _begin(self) -> list[bytes] | None:
        """Note the first bytes; gives the list of those to keep, None where they tell nothing."""
        call = self._call
        if call.first_chunk_at is None and call.streaming:
            call.first_chunk_at = perf_counter()
        return self._kept if frames.is_readable(_content_type(call.response)) else None

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
        pieces, room = None, -1
        try:
            for data in self._inner:
                if room < 0:
                    pieces, room = self._begin(), _MOST_KEPT
                if pieces is not None:
                    room -= len(data)
                    if room >= 0:
                        pieces.append(data)
                    else:
                        pieces.clear()
                        pieces, room = None, 0
                yield data
        except GeneratorExit:
            raise
        except BaseException as exc:
            self._failed(exc)
            raise
        self._drained = True


class _AsyncTapped(_Tapped, _AsyncWatched):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces, room = None, -1
        try:
            async for data in self._inner:
                if room < 0:
                    pieces, room = self._begin(), _MOST_KEPT
                if pieces is not None:
                    room -= len(data)
                    if room >= 0:
                        pieces.append(data)
                    else:
                        pieces.clear()
                        pieces, room = None, 0
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
    inner: Any = response.stream
    kind: type = type(inner)
    response.stream = _class_for(base, kind, asynchronous, tap)(inner, call)


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
def _class_for(base: type, inner: type, asynchronous: bool, tap: bool) -> type:
    """Our class as a subclass of httpx's, with what the class of the stream has besides."""
    kind = _KINDS[asynchronous, tap]
    more = [name for name in dir(inner) if not name.startswith("_")]
    own = {name: _forwarded(name) for name in more if not hasattr(kind, name)}
    return type(kind.__name__, (kind, base), own)


def _forwarded(name: str) -> property:
    return property(lambda watched: getattr(watched._inner, name))


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
    streamed = call.streaming or frames.is_stream(_content_type(response))
    if error is not None:
        if streamed:
            _observe_all(call, body)
        call.failed(error)
    elif (status := errors.refused(response)) is not None:
        call.refused(status, frames.last(body))
    elif streamed:
        _observe_all(call, body)
        (call.drained if drained else call.left)()
    elif drained:
        call.returned(frames.last(body))
    else:
        call.left()


def finish_body(call: Call, response: Any) -> None:
    """End a call whose body the SDK has read and not parsed, with what that tells."""
    body = read.get(response, "_content")
    if (status := errors.refused(response)) is not None:
        call.refused(status, frames.last(body))
    elif isinstance(body, bytes) and frames.is_stream(_content_type(response)):
        _observe_all(call, body)
        call.drained()
    else:
        call.returned(frames.last(body))


def _observe_all(call: Call, body: bytes) -> None:
    observers = call.watch()
    # Nearly all chunks are pieces of text, which a fold alone need not have parsed.
    alone = observers == [call.fold]
    telling = call.endpoint.protocol.telling if alone else None
    skip = getattr(call.fold, "skips", None) if alone else None
    for chunk in frames.objects(body, _content_type(call.response), telling, skip):
        for observer in observers:
            observer.add(chunk)


def _content_type(response: Any) -> str:
    headers = getattr(response, "headers", None) or {}
    return str(headers.get("content-type", ""))


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
