"""Protobuf bodies whose texts are not UTF-8 or whose values are nested too deeply, made readable.

Used where a body could not be parsed as it came. Only the values that are wrong are changed: bytes
that are no UTF-8 become U+FFFD, as in the Collector. Of a damaged record, what stands before the
damage is kept.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llm_otel.lake.decode.json_mending import LEVELS, TOO_DEEP

_ANY: Final = "opentelemetry.proto.common.v1.AnyValue"
_DEEP: Final = b"\x0a" + bytes([len(TOO_DEEP)]) + TOO_DEEP.encode()

# Request, resource, scope: damage there is no damage of one record.
_FRAMES: Final = 3
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class Damaged(ValueError):
    """The bytes are no protobuf."""


def mended(body: bytes, message: Descriptor, depth: int = 0, level: int = 0) -> bytes:
    """The bytes of a message with texts that are UTF-8.

    Args:
        body: The bytes.
        message: What they are.
        depth: How many messages they are in.
        level: How many attribute values they are in.

    Raises:
        Damaged: The upper levels are no protobuf.
    """
    found, at = bytearray(), 0
    while at < len(body):
        start = at
        try:
            number, content, at = _field(body, at)
        except Damaged:
            if depth < _FRAMES:
                raise
            break
        field = message.fields_by_number.get(number)
        if content is None or field is None:
            found += body[start:at]
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            content = content.decode("utf-8", "replace").encode()
        elif field.message_type is not None:
            inner = level + (field.message_type.full_name == _ANY)
            deep = inner > LEVELS
            content = _DEEP if deep else mended(content, field.message_type, depth + 1, inner)
        found += _encoded(number << 3 | _LENGTH) + _encoded(len(content)) + content
    return bytes(found)


def _field(body: bytes, at: int) -> tuple[int, bytes | None, int]:
    """Number of the field at `at`, its bytes where it has a length, and where the next one is."""
    key, at = _varint(body, at)
    number, kind, content = key >> 3, key & 7, None
    if kind == _VARINT:
        _, at = _varint(body, at)
    elif kind in (_FIXED64, _FIXED32):
        at += 8 if kind == _FIXED64 else 4
    elif kind == _LENGTH:
        length, at = _varint(body, at)
        content, at = body[at : at + length], at + length
    else:
        raise Damaged(f"field {number} is of the unknown kind {kind}")
    if number == 0 or at > len(body):
        raise Damaged(f"field {number} goes beyond the end")
    return number, content, at


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise Damaged("a number does not end")


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
