"""OTLP's JSON made fit for protobuf, value by value.

Used where a body could not be read as it came: one value that no field can hold must not cost the
records beside it. Half of an emoji becomes U+FFFD, as in the Collector. A value of another type is
converted, or left out. Numbers beyond 64 bits become texts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from llm_otel.lake.decode.values import finite, text

# Lists and maps inside one another, in one attribute. Protobuf reads 47 levels.
LEVELS: Final = 32
TOO_DEEP: Final = "(nested too deeply)"

# Brackets inside one another that Python's parser reads with certainty.
_BRACKETS: Final = 300
_TOKENS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_LONGEST_INTEGER: Final = 40

_ANY: Final = "opentelemetry.proto.common.v1.AnyValue"
_PAIR: Final = "opentelemetry.proto.common.v1.KeyValue"
_HEX: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_WORDS: Final = {"true": True, "false": False}

_Field = FieldDescriptor
_BITS: Final = {
    _Field.CPPTYPE_INT32: (-(2**31), 2**31),
    _Field.CPPTYPE_UINT32: (0, 2**32),
    _Field.CPPTYPE_INT64: (-(2**63), 2**63),
    _Field.CPPTYPE_UINT64: (0, 2**64),
    _Field.CPPTYPE_ENUM: (-(2**31), 2**31),
}


class Misshapen(ValueError):
    """The JSON has not the lists of a request; the text says what is wrong."""


def parse(body: bytes | str) -> Any:
    """JSON as Python's values, in spite of bytes that are no UTF-8, raw control characters, endless
    numbers and deep nesting.

    Raises:
        ValueError: it is no JSON.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8-sig", "replace")
    try:
        return json.loads(body, strict=False, parse_int=_integer)
    except RecursionError:
        return json.loads(_shallow(body), strict=False, parse_int=_integer)


def mended(node: dict[str, Any], message: Descriptor, depth: int = 0) -> dict[str, Any]:
    """A JSON object with the values that the fields of `message` can hold, ids in base64.

    Raises:
        Misshapen: one of the upper three levels has something else in the place of a list.
    """
    fields = {**message.fields_by_name, **message.fields_by_camelcase_name}
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for key, value in node.items():
        field = fields.get(key)
        choice = field.containing_oneof.name if field and field.containing_oneof else None
        if field is None or value is None or choice in taken:
            continue
        held = _list(value, field, depth) if field.is_repeated else _one(value, field, depth)
        if held is not None:
            found[field.name] = held
            taken |= {choice} if choice else set()
    return found


def _list(value: Any, field: FieldDescriptor, depth: int) -> list[Any] | None:
    if isinstance(value, dict) and field.message_type is not None:
        pairs = field.message_type.full_name == _PAIR and "key" not in value
        value = [{"key": k, "value": v} for k, v in value.items()] if pairs else [value]
    if not isinstance(value, list):
        if depth <= 2:
            raise Misshapen(f"{field.camelcase_name} is {value!r:.40}, not a list")
        return None
    return [held for each in value if (held := _one(each, field, depth)) is not None]


def _one(value: Any, field: FieldDescriptor, depth: int) -> Any:
    """What a field can hold of a value; None for nothing."""
    if field.message_type is None:
        return _scalar(value, field)
    if field.message_type.full_name == _ANY:
        return _any(value, 0)
    return mended(value, field.message_type, depth + 1) if isinstance(value, dict) else None


def _scalar(value: Any, field: FieldDescriptor) -> Any:
    if field.cpp_type == _Field.CPPTYPE_STRING:
        if field.type == _Field.TYPE_BYTES:
            return _bytes(value, hexadecimal=field.name in _HEX)
        return _whole(value) if isinstance(value, str) else text(value)
    if field.cpp_type == _Field.CPPTYPE_BOOL:
        return value if isinstance(value, bool) else _WORDS.get(str(value).lower())
    if isinstance(value, bool):
        return None
    if field.cpp_type == _Field.CPPTYPE_ENUM and isinstance(value, str):
        return value if value in field.enum_type.values_by_name else None
    if field.cpp_type in _BITS:
        return _within(value, *_BITS[field.cpp_type])
    try:
        return finite(float(value))
    except (ValueError, TypeError, OverflowError):
        return None


def _within(value: Any, lowest: int, beyond: int) -> int | None:
    try:
        number = int(value)
    except (ValueError, TypeError, OverflowError):
        return None
    exact = not isinstance(value, float) or number == value
    return number if exact and lowest <= number < beyond else None


def _bytes(value: Any, *, hexadecimal: bool) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        decoded = bytes.fromhex(value) if hexadecimal else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None
    return base64.b64encode(decoded).decode()


def _any(value: Any, level: int) -> dict[str, Any]:
    """An AnyValue; one that is a bare JSON value is wrapped."""
    if level > LEVELS:
        return {"stringValue": TOO_DEEP}
    if not isinstance(value, dict):
        return _wrapped(value, level)
    for key, held in value.items():
        kind = _KINDS.get(key)
        if kind is not None and held is not None:
            name, read = kind
            mended_value = read(held, level)
            if mended_value is None:
                return {"stringValue": _whole(held) if isinstance(held, str) else text(held)}
            return {name: mended_value}
    return {}


def _wrapped(value: Any, level: int) -> dict[str, Any]:
    for kind, name in ((bool, "boolValue"), (str, "stringValue"), (int, "intValue"),
                       (float, "doubleValue")):  # fmt: skip
        if isinstance(value, kind):
            return _any({name: value}, level)
    return {} if value is None else {"arrayValue": {"values": [_any(v, level + 1) for v in value]}}


def _values(value: Any, level: int) -> dict[str, Any] | None:
    values = value.get("values") if isinstance(value, dict) else value
    if values is None:
        return {}
    if not isinstance(values, list):
        return None
    return {"values": [_any(each, level + 1) for each in values]}


def _pairs(value: Any, level: int) -> dict[str, Any] | None:
    values = value.get("values") if isinstance(value, dict) else value
    if values is None:
        return {}
    if not isinstance(values, list):
        return None
    pairs = [each for each in values if isinstance(each, dict)]
    return {
        "values": [
            {"key": _whole(str(each.get("key", ""))), "value": _any(each.get("value"), level + 1)}
            for each in pairs
        ]
    }


def _string(value: Any, _level: int) -> str | None:
    return _whole(value) if isinstance(value, str) else None


def _bool(value: Any, _level: int) -> bool | None:
    return value if isinstance(value, bool) else None


def _int(value: Any, _level: int) -> int | None:
    return None if isinstance(value, bool) else _within(value, *_BITS[_Field.CPPTYPE_INT64])


def _double(value: Any, _level: int) -> float | str | None:
    if isinstance(value, bool):
        return None
    try:
        return finite(float(value))
    except (ValueError, TypeError, OverflowError):
        return None


# The fields of an AnyValue under both of their names, and what reads each.
_READERS: Final[dict[str, tuple[str, Callable[[Any, int], Any]]]] = {
    "string_value": ("stringValue", _string),
    "bool_value": ("boolValue", _bool),
    "int_value": ("intValue", _int),
    "double_value": ("doubleValue", _double),
    "array_value": ("arrayValue", _values),
    "kvlist_value": ("kvlistValue", _pairs),
    "bytes_value": ("bytesValue", lambda value, _level: _bytes(value, hexadecimal=False)),
}
_KINDS: Final = {**_READERS, **{kind[0]: kind for kind in _READERS.values()}}


def _whole(value: str) -> str:
    """A text that UTF-8 can carry: a half of a surrogate pair becomes U+FFFD."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _shallow(body: str) -> str:
    """JSON text with what is nested too deeply replaced by a text."""
    parts, depth, start = [], 0, 0
    for token in _TOKENS.finditer(body):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == _BRACKETS + 1:
                parts += [body[start : token.start()], json.dumps(TOO_DEEP)]
        elif token[0] in ("]", "}"):
            if depth == _BRACKETS + 1:
                start = token.end()
            depth -= 1
    return "".join([*parts, body[start:]])
