"""Take what asking for usage adds out of the bytes of a stream of server-sent events.

`with_raw_response` gives the caller an HTTP response, to be parsed or to be read as text or bytes.
All of these read what the response's content decoder gives, so the filter sits right behind it and
works on compressed streams too. Only the bytes as they came over the wire (`iter_raw`) keep what
was asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from llm_otel.base import guard, read

# The end of an event as the SDKs' parsers see it: an empty line.
_END = re.compile(rb"\r?\n\r?\n|\r\r")

Strip = Callable[[bytes], bytes]

# More than this of one event is not held back (bytes).
_MOST_HELD = 1024 * 1024


_HTTPX = ("httpx", "httpx2")


def works_on(client: Any) -> bool:
    """Whether the responses of an SDK's client can be filtered: its httpx keeps a decoder."""
    for cls in type(read.get(client, "_client")).__mro__:
        module = cls.__module__.partition(".")[0]
        if module in _HTTPX:
            return _response_has_decoder(module)
    return False


def works_here() -> bool:
    """Whether the responses of every httpx that is imported can be filtered."""
    imported = [name for name in _HTTPX if name in sys.modules]
    return bool(imported) and all(map(_response_has_decoder, imported))


def _response_has_decoder(module: str) -> bool:
    response = getattr(sys.modules.get(module), "Response", None)
    return hasattr(response, "_get_content_decoder")


def hide_usage(response: Any, strip: Strip) -> None:
    """Filter a response whose body is not read yet, or is in memory as a whole.

    Args:
        response: The HTTP response to a request for a stream that asks for usage.
        strip: Gives an event as it would be had nobody asked; empty for one that would not be.
    """
    whole = read.get(response, "_content")
    if isinstance(whole, bytes):
        events = Filter(strip)
        response._content = events.feed(whole) + events.flush()
    elif "event-stream" in str(response.headers.get("content-type", "event-stream")):
        response._decoder = _Decoder(response._get_content_decoder(), strip)


class _Decoder:
    """In place of a response's content decoder: that one, and then the filter.

    The decoders of httpx give bytes, those of httpx2 an iterator of bytes.
    """

    def __init__(self, inner: Any, strip: Strip) -> None:
        self._inner = inner
        self._events = Filter(strip)

    def decode(self, data: bytes) -> Any:
        decoded = self._inner.decode(data)
        if isinstance(decoded, bytes):
            return self._events.feed(decoded)
        return map(self._events.feed, decoded)

    def flush(self) -> Any:
        decoded = self._inner.flush()
        if isinstance(decoded, bytes):
            return self._events.feed(decoded) + self._events.flush()
        return self._flushed(decoded)

    def _flushed(self, decoded: Iterator[bytes]) -> Iterator[bytes]:
        yield from map(self._events.feed, decoded)
        yield self._events.flush()


class Filter:
    """Passes whole events on, each as it came or without its usage."""

    def __init__(self, strip: Strip) -> None:
        self._strip = strip
        self._held = b""
        self._broken = False

    def feed(self, data: bytes) -> bytes:
        """The events that are complete with `data`; what follows them is held back."""
        if self._broken:
            return data
        held = self._held + data
        # Only the new bytes, and the three before them, can end an event.
        if len(held) <= _MOST_HELD and not _END.search(held, max(len(self._held) - 3, 0)):
            self._held = held
            return b""
        try:
            passed, self._held = self._events(held)
        except Exception as exc:  # noqa: BLE001 - then all passes on as it comes
            self._broken, self._held = True, b""
            guard.handle("filter stream", exc)
            return held
        if len(self._held) > _MOST_HELD:
            passed, self._held = passed + self._held, b""
        return passed

    def flush(self) -> bytes:
        """What was held back when the stream ended."""
        held, self._held = self._held, b""
        return held if self._broken or not held else self._strip(held)

    def _events(self, data: bytes) -> tuple[bytes, bytes]:
        """The complete events in `data`, filtered, and the rest."""
        passed, begin = [], 0
        for end in _END.finditer(data):
            passed.append(self._strip(data[begin : end.end()]))
            begin = end.end()
        return b"".join(passed), data[begin:]
