"""The attributes of many spans as columns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_otel.lake.decode.values import finite, listed, mapped, plain, text

Places = npt.NDArray[np.int64]

_NOWHERE: Final = np.empty(0, np.int64)
_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32


class Attributes:
    """A list of key and value structs for each span.

    Attributes:
        names: The keys that occur.
        count: How many spans there are.
        lists_of: What these were made of.
    """

    def __init__(self, lists: pa.Array) -> None:
        self.lists_of = lists
        self.count = len(lists)
        self._offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        self._parents = pc.list_parent_indices(lists).to_numpy()
        entries = lists.flatten()
        self._values = entries.field("value")
        self._keys = entries.field("key").dictionary_encode()
        self._codes = self._keys.indices.to_numpy()
        self.names: list[str] = self._keys.dictionary.to_pylist()
        order = np.argsort(self._codes, kind="stable")
        ends = np.searchsorted(self._codes[order], np.arange(len(self.names) + 1))
        self._places = {
            name: order[ends[code] : ends[code + 1]] for code, name in enumerate(self.names)
        }

    def rows(self, name: str) -> Places:
        """The spans that have the attribute."""
        rows: Places = self._parents[self._places.get(name, _NOWHERE)]
        return rows

    def among(self, names: Collection[str]) -> list[str]:
        """Those of `names` that occur."""
        return [name for name in names if name in self._places]

    def misfits(self, name: str, field: str) -> Places:
        """The spans whose attribute has a value of another kind than `field`."""
        places = self._places.get(name, _NOWHERE)
        taken = self._values.take(pa.array(places))
        if not taken.field(field).null_count:
            return _NOWHERE
        others = [taken.field(kind).is_valid().to_numpy(False) for kind in _MADE if kind != field]
        rows: Places = self._parents[places[np.any(others, axis=0)]]
        return rows

    def outside(self, name: str, field: str, most: float) -> Places:
        """The spans whose attribute is no number from 0 to `most`; `field` says of which kind."""
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return _NOWHERE
        numbers = self._values.field(field).take(pa.array(places)).fill_null(0).to_numpy(False)
        rows: Places = self._parents[places[~((numbers >= 0) & (numbers <= most))]]
        return rows

    def column(self, name: str, field: str, kind: pa.DataType) -> pa.Array:
        """The attribute of each span, NULL where it has none."""
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return pa.nulls(self.count, kind)
        taken = np.full(self.count, -1, np.int64)
        taken[self._parents[places]] = places
        found = self._values.field(field).take(pa.array(taken, mask=taken < 0))
        return found if found.type == kind else found.cast(kind)

    def lists(self, name: str) -> tuple[pa.Array, list[Any]]:
        """The attribute of each span as a number of a list of the different ones, and these."""
        encoded = self.column(name, "array", pa.binary()).dictionary_encode()
        return encoded.indices, [listed(each) for each in encoded.dictionary.to_pylist()]

    def at(self, row: int, names: Collection[str]) -> dict[str, Any]:
        """Some attributes of one span, as Python's values."""
        places = range(self._offsets[row], self._offsets[row + 1])
        found = ((self.names[self._codes[place]], place) for place in places)
        return {name: self._value(place) for name, place in found if name in names}

    def json(self, without: Collection[str], renamed: dict[str, str]) -> pa.Array:
        """All attributes of each span but some, as the text of a JSON object."""
        keys = [text(renamed.get(name, name)) for name in self.names]
        kept = ~np.isin(self._codes, [i for i, name in enumerate(self.names) if name in without])
        pairs = self._pairs(keys)
        offsets = self._offsets
        if not kept.all():
            pairs = pairs.filter(pa.array(kept))
            offsets = np.concatenate(([0], np.cumsum(kept)))[offsets]
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs)
        return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")

    def _pairs(self, keys: list[str]) -> pa.Array:
        """Each attribute as `"key":value`, made kind by kind and put in order again."""
        before = pa.array([f"{key}:" for key in keys], pa.string())
        left = np.ones(len(self._codes), bool)
        places: list[Places] = []
        made: list[pa.Array] = []
        for field, printed in _PRINTED.items():
            values = self._values.field(field)
            chosen = values.is_valid().to_numpy(False)
            if field == "string":
                chosen[_to_escape(values)] = False
            elif field == "double":
                chosen &= pc.is_finite(values).fill_null(False).to_numpy(False)
            places.append(np.flatnonzero(chosen))
            made.append(printed(values.take(pa.array(places[-1]))))
            left[places[-1]] = False
        places.append(np.flatnonzero(left))
        made.append(pa.array([text(self._value(at)) for at in places[-1].tolist()], pa.string()))
        order = np.empty(len(self._codes), np.int64)
        order[np.concatenate(places)] = np.arange(len(self._codes))
        printed_all = pa.concat_arrays(made).take(pa.array(order))
        return pc.binary_join_element_wise(before.take(self._keys.indices), printed_all, "")

    def _value(self, place: int) -> Any:
        for field, made in _MADE.items():
            scalar = self._values.field(field)[place]
            if scalar.is_valid:
                return made(scalar.as_py())
        return None


def _same(value: Any) -> Any:
    return value


_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "string": _same,
    "int": _same,
    "double": finite,
    "bool": _same,
    "array": listed,
    "map": mapped,
    "bytes": lambda value: plain(AnyValue(bytes_value=value)),
}


def _quoted(values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', values, '"', "")


def _cast(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _lists(values: pa.Array) -> pa.Array:
    """Few different lists come again and again."""
    encoded = values.dictionary_encode()
    printed = [text(listed(each)) for each in encoded.dictionary.to_pylist()]
    return pa.array(printed, pa.string()).take(encoded.indices)


# What makes JSON of the values of a kind; all other values are made one by one.
_PRINTED: Final[dict[str, Callable[[pa.Array], pa.Array]]] = {
    "string": _quoted,
    "int": _cast,
    "double": _cast,
    "bool": _cast,
    "array": _lists,
}


def _to_escape(texts: pa.Array) -> Places:
    """Which texts have a character that JSON escapes: few, so all the bytes are looked at once."""
    _, offsets_buffer, data = texts.buffers()
    if data is None:
        return _NOWHERE
    letters = np.frombuffer(data, np.uint8)
    found = np.flatnonzero((letters < _SPACE) | (letters == _QUOTE) | (letters == _BACKSLASH))
    if not len(found):
        return _NOWHERE
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    places = np.searchsorted(offsets, found, side="right") - 1
    return np.unique(places[(places >= 0) & (places < len(texts))])
