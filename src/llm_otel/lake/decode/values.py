"""OTLP values as Python's."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

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


def as_text(value: Any) -> str:
    """A text as it is, any other value as JSON text."""
    return value if isinstance(value, str) else text(value)
