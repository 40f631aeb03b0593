"""OTLP's AnyValue in Arrow arrays, as of `wire`, to Python's values and back."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_otel.lake.decode.values import finite, listed, mapped, text

Objects = npt.NDArray[np.object_]

# The field of a value that is one of Python's, by its type; lists and maps are bytes on the wire.
_FIELDS: Final[dict[type, str]] = {str: "string", bool: "bool", int: "int", float: "double"}
_LARGEST: Final = 2**63


def object_array(values: Sequence[Any]) -> Objects:
    """An array of objects, even where these are lists."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def to_objects(values: pa.StructArray) -> Objects:
    """Each value as `values.plain` reads it; None for one that is none."""
    found = np.full(len(values), None, object)
    for field, read in _READERS.items():
        column = values.field(field)
        if column.null_count == len(column):
            continue
        places = np.flatnonzero(column.is_valid().to_numpy(False))
        found[places] = read(column.take(pa.array(places)))
    return found


def from_objects(objects: Sequence[Any], kind: pa.StructType) -> pa.StructArray:
    """Python's values as an array of `kind`; what OTLP has no value for as a text."""
    places: dict[str, list[int]] = {}
    values: dict[str, list[Any]] = {}
    encodings: dict[str, tuple[str, Any]] = {}
    for place, value in enumerate(objects):
        if value is None:
            continue
        field, content = _FIELDS.get(type(value)), value
        if field is None:
            key = text(value)
            field, content = encodings.get(key) or encodings.setdefault(key, to_wire(value))
        elif field == "int" and not -_LARGEST <= value < _LARGEST:
            field, content = "string", str(value)
        places.setdefault(field, []).append(place)
        values.setdefault(field, []).append(content)
    columns = [
        _spread(pa.array(values[field.name], field.type), places[field.name], len(objects))
        if field.name in places
        else pa.nulls(len(objects), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def _spread(values: pa.Array, places: list[int], length: int) -> pa.Array:
    """Values at their places, NULL at all others."""
    indices = np.full(length, -1, np.int64)
    indices[places] = np.arange(len(places))
    return values.take(pa.array(indices, mask=indices < 0))


def to_wire(value: Any) -> tuple[str, Any]:
    """The field of a list or a map, and its bytes; what OTLP has no value for as a text."""
    message = AnyValue()
    if isinstance(value, list):
        message.array_value.SetInParent()
        for element in value:
            _put(message.array_value.values.add(), element)
        return "array", message.array_value.SerializeToString()
    if isinstance(value, dict):
        message.kvlist_value.SetInParent()
        for key, element in value.items():
            _put(message.kvlist_value.values.add(key=str(key)).value, element)
        return "map", message.kvlist_value.SerializeToString()
    return "string", str(value)


def _put(target: AnyValue, value: Any) -> None:
    if isinstance(value, (list, dict)):
        kind, content = to_wire(value)
        part = target.array_value if kind == "array" else target.kvlist_value
        part.SetInParent()
        part.ParseFromString(content)
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif value is not None:
        target.string_value = str(value)


def _repeated(values: pa.Array, read: Callable[[bytes], Any]) -> Objects:
    """The reading of each value: few different ones occur again and again."""
    encoded = values.dictionary_encode()
    different = object_array([read(value) for value in encoded.dictionary.to_pylist()])
    found: Objects = different[encoded.indices.to_numpy()]
    return found


_READERS: Final[dict[str, Callable[[pa.Array], Objects]]] = {
    "string": lambda column: column.to_numpy(False),
    "int": lambda column: object_array(column.to_pylist()),
    "bool": lambda column: object_array(column.to_pylist()),
    "double": lambda column: object_array([finite(value) for value in column.to_pylist()]),
    "array": lambda column: _repeated(column, listed),
    "map": lambda column: object_array([mapped(value) for value in column.to_pylist()]),
    "bytes": lambda column: object_array(
        [base64.b64encode(value).decode() for value in column.to_pylist()]
    ),
}
