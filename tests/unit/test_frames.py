"""What is read out of a body, by its content type."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any
from zlib import crc32

import pytest

from llm_otel.base import frames

AWS = "application/vnd.amazon.eventstream"
A, B = {"a": 1}, {"b": [2]}


def header(name: str, kind: int, value: bytes) -> bytes:
    """One header of a message."""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text(name: str, value: str) -> bytes:
    return header(name, 7, struct.pack(">H", len(value)) + value.encode())


def message(headers: bytes, payload: bytes) -> bytes:
    """One message, with its two checksums."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def event(name: str, payload: Any, more: bytes = b"") -> bytes:
    head = text(":message-type", "event") + text(":event-type", name) + more
    return message(head, json.dumps(payload).encode())


CHUNK = event("chunk", {"bytes": base64.b64encode(b'{"a": 1}').decode(), "p": "abc"})
DELTA = event("contentBlockDelta", {"delta": {"text": "x"}})
EVERY_KIND = b"".join(
    header(f"h{kind}", kind, value)
    for kind, value in {
        0: b"", 1: b"", 2: b"\x01", 3: b"\x00\x01", 4: bytes(4), 5: bytes(8),
        6: b"\x00\x02xy", 8: bytes(8), 9: bytes(16),
    }.items()
)  # fmt: skip
REFUSED = message(
    text(":message-type", "exception") + text(":exception-type", "throttlingException"),
    b'{"message": "slow"}',
)
BROKEN = message(text(":message-type", "error") + text(":error-code", "InternalError"), b"")


@pytest.mark.parametrize(
    ("content_type", "data", "objects"),
    [
        ("text/event-stream", b'event: x\ndata: {"a": 1}\n\ndata:{"b":[2]}\n\n', [A, B]),
        ("text/event-stream; charset=utf-8", b': hi\n\ndata: {"a":\ndata: 1}\r\n\r\n', [A]),
        ("text/event-stream", b'data: {"a": 1}\ndata: {"b": [2]}\n\ndata: [DONE]\n\n', [A, B]),
        ("text/event-stream", b'data: {"a": 1}\n\ndata: {"b": [2', [A]),
        ("text/event-stream", b'data: {"a": 1}', [A]),
        ("application/x-ndjson", b'{"a": 1}\r\n\n[1]\nnonsense\n{"b": [2]}', [A, B]),
        ("application/json-seq", b'\x1e{"a": 1}\n\x1e{"b": [2]}\n', [A, B]),
        ("application/json", b'[{"a": 1}\n,\n{"b": [2]}]', [A, B]),
        ("application/json", b'{"a": 1}', []),
        ("", b'data: {"a": 1}\n\n', [A]),
        (AWS, CHUNK + DELTA, [A, {"contentBlockDelta": {"delta": {"text": "x"}}}]),
        (AWS, event("metadata", {"usage": B}, EVERY_KIND), [{"metadata": {"usage": B}}]),
        (AWS, REFUSED, [{"throttlingException": {"message": "slow"}}]),
        (AWS, BROKEN, [{"InternalError": {"message": ""}}]),
        (AWS, CHUNK + DELTA[:-1], [A]),
        (AWS, CHUNK + b"\x00" * 40 + CHUNK, [A]),
        (AWS, CHUNK + DELTA[:-6] + b"!" + DELTA[-5:] + CHUNK, [A]),
        (AWS, CHUNK[:40] + b"?" + CHUNK[41:], []),
        (AWS, message(b"\x05ab", b"{}") + CHUNK, []),
        (AWS, message(header("x", 99, b""), b"{}"), []),
        (AWS, b"", []),
    ],
)
def test_objects(content_type: str, data: bytes, objects: list[Any]) -> None:
    """All that are whole, in order; damage ends what cannot be framed any more."""
    assert list(frames.objects(data, content_type)) == objects


def test_random_damage_raises_nothing() -> None:
    """Any byte of a message may be another one."""
    whole = CHUNK + DELTA + REFUSED
    for at in range(len(whole)):
        damaged = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        assert len(list(frames.objects(damaged, AWS))) < 3


@pytest.mark.parametrize(
    ("data", "node"),
    [(b'{"a": 1}', A), (b'data: {"a": 1}\n\ndata: {"b": [2]}\n\n', B), (b"", None), (None, None)],
)
def test_the_last_object(data: Any, node: Any) -> None:
    """Of a whole answer that may have come as events."""
    assert frames.last(data) == node
