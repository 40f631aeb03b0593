"""OTLP values as Python's, and Python's as columns."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

try:
    import orjson
except ImportError:  # a faster writer of JSON, not another one
    orjson = None  # type: ignore[assignment]


def mapping(pairs: Iterable[Any]) -> dict[str, Any]:
    """A list of OTLP KeyValue as a dict."""
    found = {}
    for pair in pairs:
        value = pair.value
        # Most are texts or counts, and asking which kind it is costs as much as all the rest.
        found[pair.key] = value.string_value or value.int_value or plain(value)
    return found


def plain(value: Any) -> Any:
    """An OTLP AnyValue as a Python value; bytes as base64 text, what JSON has no number for as a
    text too."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return mapping(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    found = getattr(value, kind)
    return finite(found) if kind == "double_value" else found


def finite(value: float) -> float | str:
    """A double as it is; NaN and the infinities as protobuf's JSON writes them."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def listed(wire: bytes) -> Any:
    """An OTLP ArrayValue on the wire as a list."""
    return plain(AnyValue(array_value=ArrayValue.FromString(wire)))


def mapped(wire: bytes) -> Any:
    """An OTLP KeyValueList on the wire as a dict."""
    return plain(AnyValue(kvlist_value=KeyValueList.FromString(wire)))


def text(value: Any) -> str:
    """A value as JSON text."""
    if orjson is not None:
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # an integer beyond 64 bits, a lone surrogate
            pass
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def columns(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as a table. A value of a wrong type becomes one of the right type, or NULL; a number
    that is not finite is NULL."""
    if not rows:
        return schema.empty_table()
    arrays = [_array(values, field.type) for values, field in zip(zip(*rows), schema)]
    return pa.table(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        array = pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        array = pa.array([_coerce(value, kind) for value in values], kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(array), array, pa.scalar(None, kind))
    return array


def _coerce(value: Any, kind: pa.DataType) -> Any:
    """`value` where a column of `kind` takes it, else as near as it comes, else None."""
    if value is None:
        return None
    if pa.types.is_string(kind) and not isinstance(value, str):
        return text(value)
    if pa.types.is_list(kind) and not isinstance(value, list):
        value = [value]
    if pa.types.is_list(kind):
        value = [_coerce(each, kind.value_type) for each in value]
    try:
        if pa.types.is_integer(kind):
            value = int(value)
        elif pa.types.is_floating(kind):
            value = float(value)
        pa.array([value], kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None
    return value
