"""Decompressing the body of a request: every member of it, within a limit."""

from __future__ import annotations

import zlib
from typing import Final

from llm_otel.lake.decode import BadPayload

# For `zlib.decompressobj`: 47 tells gzip and zlib apart by itself; a raw deflate has no header.
_WINDOWS: Final = {"gzip": (47,), "x-gzip": (47,), "deflate": (47, -15)}

# A member of gzip has at least 20 bytes, and beginning one costs more than reading it.
_MOST_MEMBERS: Final = 10_000
_FIRST_BYTES: Final = 4 << 10
_MOST_BYTES: Final = 1 << 20


class TooLarge(ValueError):
    """The body decompresses to more than the limit."""


def known(encoding: str) -> bool:
    """Whether bodies of this `Content-Encoding` can be read."""
    return encoding == "identity" or encoding in _WINDOWS


def decompressed(body: bytes, encoding: str, largest: int) -> bytes:
    """The content of a body: of all its members, one after another (RFC 1952).

    Args:
        body: The body as it came.
        encoding: `identity`, `gzip`, `x-gzip` or `deflate`, with or without zlib's header.
        largest: Bytes that the content may have.

    Raises:
        BadPayload: The body is not what `encoding` says, ends too early, or has other bytes at its
            end.
        TooLarge: The content has more than `largest` bytes.
    """
    if encoding == "identity":
        return body
    *lenient, last = _WINDOWS[encoding]
    for window in lenient:
        try:
            return _members(body, encoding, window, largest)
        except _WrongHeader:
            continue
    return _members(body, encoding, last, largest)


class _WrongHeader(BadPayload):
    """Not one byte came of the body."""


def _members(body: bytes, encoding: str, window: int, largest: int) -> bytes:
    view, parts, at, room = memoryview(body), [], 0, largest
    for number in range(_MOST_MEMBERS):
        try:
            content, at = _member(view, at, window, room)
        except zlib.error as error:
            if number:
                raise BadPayload(
                    f"the body is not valid {encoding}: other bytes follow member {number}"
                ) from error
            raise _WrongHeader(f"the body is not valid {encoding}: {error}") from error
        except EOFError as error:
            raise BadPayload(f"the body is not valid {encoding}: it ends too early") from error
        parts.append(content)
        room -= len(content)
        if at == len(view):
            return b"".join(parts)
    raise BadPayload(f"the body is {encoding} of more than {_MOST_MEMBERS} members: send one")


def _member(view: memoryview, at: int, window: int, room: int) -> tuple[bytes, int]:
    """The content of the member that begins at `at`, and where it ends.

    In growing steps: what follows the member in a step is copied.
    """
    inflate, parts, step = zlib.decompressobj(window), [], _FIRST_BYTES
    while not inflate.eof:
        piece = view[at : at + step]
        if not piece:
            raise EOFError
        content = inflate.decompress(piece, room + 1)
        room -= len(content)
        if room < 0:
            raise TooLarge
        parts.append(content)
        at += len(piece) - len(inflate.unused_data)
        step = min(2 * step, _MOST_BYTES)
    return b"".join(parts), at
