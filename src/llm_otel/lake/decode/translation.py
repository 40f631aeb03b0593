"""Spans of older names among many, brought to the names of today before they become columns.

Only their attributes are looked at one span at a time; all else goes column by column.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_otel.lake.decode.attributes import Places
from llm_otel.lake.decode.older import normalise
from llm_otel.lake.decode.values import finite, listed, mapped, text

# The kinds of a value that is one of Python's, by its type.
_KINDS: Final[dict[type, str]] = {str: "string", bool: "bool", int: "int", float: "double"}
_OTHER, _NOTHING = 10, 11


class _Codes(dict[type, int]):
    """The kind of a value by its type."""

    def __missing__(self, kind: type) -> int:
        return _OTHER


_CODES: Final = _Codes({kind: code for code, kind in enumerate(_KINDS)})
_CODES[type(None)] = _NOTHING
_LARGEST: Final = 2**63


def normalised(lists: pa.Array, names: pa.Array, rows: Places) -> pa.Array:
    """The attributes of some spans under the names of today.

    Args:
        lists: The attributes of each span: a list of keys and values, as of `decode.wire`.
        names: The name of each span.
        rows: The spans that are wanted.
    """
    chosen = pa.array(rows)
    dicts = _dicts(lists.take(chosen))
    made = [normalise(each, name) for each, name in zip(dicts, names.take(chosen).to_pylist())]
    return _lists(made, lists.type)


def _dicts(lists: pa.Array) -> list[dict[str, Any]]:
    """Each list as a dict of Python's values, as `values.mapping` gives it."""
    entries = lists.flatten()
    keys = entries.field("key").to_numpy(False).tolist()
    fields = entries.field("value")
    values = np.full(len(keys), None, object)
    for kind, made in _MADE.items():
        field = fields.field(kind)
        places = np.flatnonzero(field.is_valid().to_numpy(False))
        if len(places):
            found = field.take(pa.array(places))
            values[places] = made(found)
    ends = lists.offsets.to_numpy() - lists.offsets[0].as_py()
    plain = values.tolist()
    return [
        dict(zip(keys[start:end], plain[start:end]))
        for start, end in zip(ends[:-1].tolist(), ends[1:].tolist())
    ]


def _objects(values: list[Any]) -> Any:
    """An array of objects, whatever these are."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _repeated(values: pa.Array, made: Callable[[bytes], Any]) -> Any:
    """What is made of each: few different ones come again and again."""
    encoded = values.dictionary_encode()
    different = _objects([made(each) for each in encoded.dictionary.to_pylist()])
    return different[encoded.indices.to_numpy()]


_MADE: Final[dict[str, Callable[[pa.Array], Any]]] = {
    "string": lambda found: found.to_numpy(False),
    "int": lambda found: _objects(found.to_numpy(False).tolist()),
    "bool": lambda found: _objects(found.to_pylist()),
    "double": lambda found: _objects([finite(each) for each in found.to_pylist()]),
    "array": lambda found: _repeated(found, listed),
    "map": lambda found: _objects([mapped(each) for each in found.to_pylist()]),
    "bytes": lambda found: _objects(
        [base64.b64encode(each).decode() for each in found.to_pylist()]
    ),
}


def _lists(dicts: list[dict[str, Any]], kind: pa.DataType) -> pa.Array:
    """Dicts as an array of the type of attributes."""
    keys = [key for each in dicts for key in each]
    values = _objects([value for each in dicts for value in each.values()])
    offsets = np.cumsum([0, *map(len, dicts)])
    codes = np.fromiter(map(_CODES.__getitem__, map(type, values)), np.int8, len(values))
    for place in np.flatnonzero(codes == _CODES[int]):
        if not -_LARGEST <= values[place] < _LARGEST:  # a sum of counts that are none
            values[place], codes[place] = str(values[place]), _CODES[str]
    held = {name: np.flatnonzero(codes == code) for code, name in enumerate(_KINDS.values())}
    parts = {name: values[places] for name, places in held.items()}
    known: dict[str, tuple[str, Any]] = {}
    wires = []
    for place in np.flatnonzero(codes == _OTHER):
        key = text(values[place])
        wires.append((place, *(known.get(key) or known.setdefault(key, wire(values[place])))))
    for name in {name for _, name, _ in wires}:
        here = [(place, wire) for place, field, wire in wires if field == name]
        held[name] = np.array([place for place, _ in here])
        parts[name] = [wire for _, wire in here]
    struct = kind.value_type.field("value").type
    columns = [
        _column(field.type, held.get(field.name), parts.get(field.name), len(values))
        for field in struct
    ]
    pairs = pa.StructArray.from_arrays(
        [pa.array(keys, pa.string()), pa.StructArray.from_arrays(columns, fields=list(struct))],
        fields=list(kind.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs).cast(kind)


def _column(kind: pa.DataType, places: Places | None, values: Any, length: int) -> pa.Array:
    """The values of one kind at their places, NULL at all others."""
    if places is None or not len(places):
        return pa.nulls(length, kind)
    indices = np.full(length, -1, np.int64)
    indices[places] = np.arange(len(places))
    return pa.array(values, kind).take(pa.array(indices, mask=indices < 0))


def wire(value: Any) -> tuple[str, Any]:
    """A list or a map as it is on the wire; what OTLP has no value for as a text."""
    message = AnyValue()
    if isinstance(value, list):
        message.array_value.SetInParent()
        for each in value:
            _put(message.array_value.values.add(), each)
        return "array", message.array_value.SerializeToString()
    if isinstance(value, dict):
        message.kvlist_value.SetInParent()
        for key, each in value.items():
            _put(message.kvlist_value.values.add(key=str(key)).value, each)
        return "map", message.kvlist_value.SerializeToString()
    return "string", str(value)


def _put(target: AnyValue, value: Any) -> None:
    if isinstance(value, (list, dict)):
        kind, content = wire(value)
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
