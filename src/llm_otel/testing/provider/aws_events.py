"""Frames of an AWS event stream (`application/vnd.amazon.eventstream`), as Bedrock streams.

https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7


def chunk(data: bytes) -> bytes:
    """The frame of one chunk of a model's answer."""
    payload = json.dumps({"bytes": b64encode(data).decode()}).encode()
    return _frame({":message-type": "event", ":event-type": "chunk"}, payload)


def event(name: str, data: object) -> bytes:
    """The frame of an event of its own kind."""
    headers = {":message-type": "event", ":event-type": name}
    return _frame(headers, json.dumps(data, separators=(",", ":")).encode())


def exception(message: str, kind: str = "internalServerException") -> bytes:
    """The frame of an exception of the service."""
    headers = {":message-type": "exception", ":exception-type": kind}
    return _frame(headers, json.dumps({"message": message}).encode())


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    encoded = b"".join(map(_header, headers, headers.values()))
    encoded += _header(":content-type", "application/json")
    length = 16 + len(encoded) + len(payload)  # with the prelude and both check sums
    prelude = struct.pack(">II", length, len(encoded))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


def _header(name: str, value: str) -> bytes:
    return (
        struct.pack(">B", len(name)) + name.encode()
        + struct.pack(">BH", _STRING, len(value)) + value.encode()
    )  # fmt: skip
