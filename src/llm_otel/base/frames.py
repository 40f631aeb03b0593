"""The JSON objects that a body holds, by its content type: one, lines of them, events.

Event streams are server-sent events, and those of AWS:
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from zlib import crc32

from llm_otel.base.read import get, json_of

Skip = Callable[[bytes], bool]
Frames = Callable[[bytes], Iterator[object]]
Node = dict[str, object]


def is_stream(content_type: str) -> bool:
    """Whether a body of this content type holds many objects."""
    return _media_type(content_type) in _READERS


def is_readable(content_type: str) -> bool:
    """Whether a body of this content type may tell anything; audio and the like do not."""
    return not content_type or "json" in content_type or is_stream(content_type)


def objects(
    data: bytes,
    content_type: str,
    telling: re.Pattern[bytes] | None = None,
    skip: Skip | None = None,
) -> Iterator[Node]:
    """The JSON objects in a body that was streamed; what is no JSON object is passed over.

    Args:
        data: The body, decompressed; it may be cut off.
        content_type: The header; where it names no known stream, the body is looked at.
        telling: Of lines and server-sent events only the first ones, the last one, and those in
            which this finds something: to read JSON takes longer than all else that we do.
        skip: Whether a server-sent event of one line is to be passed over; it is not parsed then.
    """
    reader = _READERS.get(_media_type(content_type), _looked_at)
    if skip is not None and reader is _events:
        reader = partial(_events, skip=skip)
    separator = _separator(reader, data) if telling is not None else b""
    if telling is None or not separator:
        yield from _nodes(reader, data)
        return
    for part in _telling_parts(data, separator, telling, lambda part: any(_nodes(reader, part))):
        yield from _nodes(reader, part)


def _nodes(reader: Frames, data: bytes) -> Iterator[Node]:
    for node in reader(data):
        if type(node) is dict:
            yield node


def last(data: object) -> object | None:
    """What a whole answer holds: JSON, or the last of server-sent events."""
    if isinstance(data, bytes) and _is_events(data):
        node: object | None = None
        for node in objects(data, _EVENTS):  # noqa: B007
            pass
        return node
    return json_of(data)


# Long lists of nothing but numbers.
_VECTORS = re.compile(rb"\[[-+0-9.eE,\s]{64,}\]")


def without_vectors(data: bytes) -> bytes:
    """JSON in which long lists of numbers are empty: what an answer holds beside its embeddings is
    read in a tenth of the time."""
    return _VECTORS.sub(b"[]", data)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


# So many objects are read in any case: the first that names its model may not be the very first.
_ALWAYS_READ = 2


def _separator(reader: Frames, data: bytes) -> bytes:
    """What stands between two objects; nothing where they are not found that way."""
    if reader is _lines:
        return b"\n"
    if reader is _events:
        return b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    return b""


def _telling_parts(
    data: bytes,
    separator: bytes,
    telling: re.Pattern[bytes],
    holds_object: Callable[[bytes], bool],
) -> Iterator[bytes]:
    """The parts of a body that are worth reading, in order: see `objects`."""
    at, size = 0, len(separator)
    for _ in range(_ALWAYS_READ):
        end = data.find(separator, at)
        if end < 0:
            yield data
            return
        at = end + size
    yield data[:at]
    for match in telling.finditer(data, at):
        if match.start() >= at:
            begin = data.rfind(separator, at, match.start())
            end = data.find(separator, match.end())
            begin, at = begin + size if begin >= 0 else at, end + size if end >= 0 else len(data)
            yield data[begin:at]
    end = len(data)
    while end > at:
        begin = data.rfind(separator, at, end - size)
        begin = begin + size if begin >= 0 else at
        if holds_object(data[begin:end]):
            yield data[begin:end]
            return
        end = begin


def _is_events(data: bytes) -> bool:
    return data.lstrip()[:6].startswith((b"data:", b"event:"))


def _looked_at(data: bytes) -> Iterator[object]:
    """A stream that does not say what it is; a list is one that came piece by piece."""
    whole = None if _is_events(data) else json_of(data)
    yield from whole if type(whole) is list else _events(data)


# ------------------------------------------------------------------ lines and server-sent events
def _lines(data: bytes) -> Iterator[object]:
    for line in data.splitlines():
        yield json_of(line.strip(b"\x1e \t"))


def _events(data: bytes, skip: Skip | None = None) -> Iterator[object]:
    lines: list[bytes] = []
    for line in (*data.splitlines(), b""):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif not line and lines:
            if skip is None or len(lines) > 1 or not skip(lines[0]):
                yield from _event(lines)
            lines = []


def _event(lines: list[bytes]) -> Iterator[object]:
    """One event's data; servers that leave out the empty line send an object in each line."""
    whole = json_of(b"\n".join(lines))
    if whole is not None or len(lines) == 1:
        yield whole
    else:
        yield from map(json_of, lines)


# ------------------------------------------------------------------ event streams of AWS
# Total length, length of the headers, checksum of these two.
_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_SMALLEST = _PRELUDE.size + _CHECKSUM.size

# Types of a header's value: those of a fixed size (bytes), and those that begin with their length.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _TEXT = 6, 7


def _aws(data: bytes) -> Iterator[object]:
    """The messages up to the first that is cut off or damaged: where the next begins is unknown."""
    if data.startswith(b"{"):  # a client's own hook has made lines of them (no message is 2 GB)
        yield from _lines(data)
        return
    at = 0
    while len(data) - at >= _SMALLEST:
        total, size, checksum = _PRELUDE.unpack_from(data, at)
        end = at + total
        if checksum != crc32(data[at : at + 8]) or total < _SMALLEST + size or end > len(data):
            return
        (checksum,) = _CHECKSUM.unpack_from(data, end - _CHECKSUM.size)
        if checksum != crc32(data[at : end - _CHECKSUM.size]):
            return
        headers = at + _PRELUDE.size
        payload = json_of(data[headers + size : end - _CHECKSUM.size])
        try:
            yield _message(dict(_headers(data[headers : headers + size])), payload)
        except (LookupError, struct.error, ValueError):
            return
        at = end


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    """Name and value of the headers that are texts."""
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        if kind in (_BYTES, _TEXT):
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
            if kind == _TEXT:
                yield name, data[at : at + size].decode()
        else:
            size = _SIZES[kind]
        at += size


def _message(headers: Mapping[str, str], payload: object) -> Node | None:
    """A message as AWS's own SDK gives it: its payload below its type, or what a chunk carries."""
    kind = headers.get(":message-type", "event")
    if kind == "error":
        code = headers.get(":error-code", "error")
        return {code: {"message": headers.get(":error-message", "")}}
    name = headers.get(f":{kind}-type")
    if name == "chunk" and isinstance(carried := get(payload, "bytes"), str):
        chunk = json_of(binascii.a2b_base64(carried))
        return chunk if type(chunk) is dict else None
    return {name: payload} if name else None


_EVENTS = "text/event-stream"
_READERS: Mapping[str, Frames] = {
    _EVENTS: _events,
    "application/vnd.amazon.eventstream": _aws,
    **dict.fromkeys(
        (
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonl",
            "application/x-jsonlines",
            "application/stream+json",
            "application/json-seq",
        ),
        _lines,
    ),
}
