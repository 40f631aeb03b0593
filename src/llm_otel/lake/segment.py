"""One file of the write-ahead log: records, each with its length and checksum.

A record that cannot be read (a torn write, a flipped bit) costs itself alone: reading goes on with
the next whole record. What lies between is kept in a file beside the segment, never deleted.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<IIBQ")  # length, checksum of the rest, signal, received (ns)
_REST: Final = struct.Struct("<BQ")
LARGEST: Final = 1 << 30

# What could be a header: a length below `LARGEST`, any checksum, a signal.
_CANDIDATE: Final = re.compile(rb"(?s)(?=.{3}[\x00-\x3f].{4}[\x01-\x03])")
# A sender chooses what a body holds: bytes that look like many long records must not hold up the
# start. So many bytes are checked between two records.
_MOST_CHECKED: Final = 1 << 30

_logger = logging.getLogger("llm_otel.lake")


@dataclass(frozen=True)
class Record:
    """One accepted request: `signal` as `llm_otel.lake.decode` numbers them; times in ns."""

    signal: int
    received: int
    body: bytes

    def encoded(self) -> bytes:
        """The record as it stands in a segment."""
        checksum = _checksum(self.signal, self.received, self.body)
        return _HEADER.pack(len(self.body), checksum, self.signal, self.received) + self.body


@dataclass(frozen=True)
class Unreadable:
    """Bytes of a segment from `start` up to and without `end` that are no record."""

    start: int
    end: int


def scan(data: bytes) -> Iterator[Record | Unreadable]:
    """The records of a segment in their order, and what lies between them."""
    view, at = memoryview(data), 0
    while at < len(data):
        record = _at(view, at)
        if record is None:
            following = _following(view, at)
            yield Unreadable(at, following)
            at = following
        else:
            yield record
            at += _HEADER.size + len(record.body)


def read(path: Path) -> Iterator[Record]:
    """The whole records of a segment."""
    for part in scan(path.read_bytes()):
        if isinstance(part, Record):
            yield part


def recover(path: Path) -> list[Record]:
    """The whole records of a segment; what cannot be read is copied beside it, and named once.

    Raises:
        OSError: The file cannot be read, or nothing can be written beside it.
    """
    data = path.read_bytes()
    records, unreadable = [], []
    for part in scan(data):
        if isinstance(part, Record):
            records.append(part)
        elif data[part.start : part.end].strip(b"\0"):  # blocks that were never written are zero
            unreadable.append(part)
    for part in unreadable:
        _keep(path.with_suffix(f".{part.start}.damaged"), data[part.start : part.end])
    if unreadable:
        size = sum(part.end - part.start for part in unreadable)
        _logger.warning(
            "%d bytes of the log %s are damaged and kept beside it in %s; its other %d requests "
            "are stored",
            size,
            path,
            ", ".join(path.with_suffix(f".{part.start}.damaged").name for part in unreadable),
            len(records),
        )
    return records


def rewrite(path: Path, records: list[Record]) -> None:
    """Put a segment of these records alone in the place of another."""
    new = path.with_suffix(".new")
    _keep(new, b"".join(record.encoded() for record in records))
    new.replace(path)


def _keep(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _at(view: memoryview, at: int) -> Record | None:
    """The record that begins at a place; None where there is no whole one."""
    body_at = at + _HEADER.size
    if body_at > len(view):
        return None
    length, checksum, signal, received = _HEADER.unpack_from(view, at)
    if length > LARGEST or body_at + length > len(view):
        return None
    body = view[body_at : body_at + length]
    if _checksum(signal, received, body) != checksum:
        return None
    return Record(signal, received, bytes(body))


def _following(view: memoryview, after: int) -> int:
    """Where the next record begins; the end where there is none."""
    checked = 0
    for candidate in _CANDIDATE.finditer(view, after + 1):
        at = candidate.start()
        length = int.from_bytes(view[at : at + 4], "little")
        if at + _HEADER.size + length > len(view):
            continue
        if _at(view, at) is not None:
            return at
        checked += length
        if checked > _MOST_CHECKED:
            break
    return len(view)


def _checksum(signal: int, received: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(_REST.pack(signal, received)))
