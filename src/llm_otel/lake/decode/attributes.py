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
_SHORT: Final = 2**15


class Attributes:
    """A list of key and value structs for each span.

    Attributes:
        names: The keys that occur.
        count: How many spans there are.
        lists_of: What these were made of.
        codes: The key of each entry, as its place in `names`.
        parents: The span of each entry.
        values: The value of each entry, by its kind.
    """

    def __init__(self, lists: pa.Array) -> None:
        self.lists_of = lists
        self.count = len(lists)
        self._offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        self.parents: Places = pc.list_parent_indices(lists).to_numpy()
        entries = lists.flatten()
        self.values = entries.field("value")
        self._keys = entries.field("key").dictionary_encode()
        self.codes = self._keys.indices.to_numpy()
        self.names: list[str] = self._keys.dictionary.to_pylist()
        # A stable sort of short integers is several times as fast as one of longer ones.
        short = self.codes.astype(np.int16) if len(self.names) < _SHORT else self.codes
        order = np.argsort(short, kind="stable")
        ends = np.searchsorted(self.codes[order], np.arange(len(self.names) + 1))
        self._order = order
        self._places = {
            name: order[ends[code] : ends[code + 1]] for code, name in enumerate(self.names)
        }

    def places(self, name: str) -> Places:
        """The entries of the attribute."""
        return self._places.get(name, _NOWHERE)

    def rows(self, name: str) -> Places:
        """The spans that have the attribute."""
        rows: Places = self.parents[self._places.get(name, _NOWHERE)]
        return rows

    def repeated(self) -> Places:
        """The entries whose span has an attribute of the same name before them."""
        codes, parents = self.codes[self._order], self.parents[self._order]
        again = (codes[1:] == codes[:-1]) & (parents[1:] == parents[:-1])
        places: Places = self._order[1:][again]
        return places

    def among(self, names: Collection[str]) -> list[str]:
        """Those of `names` that occur."""
        return [name for name in names if name in self._places]

    def misfits(self, name: str, field: str) -> Places:
        """The spans whose attribute has a value of another kind than `field`."""
        places = self._places.get(name, _NOWHERE)
        taken = self.values.take(pa.array(places))
        if not taken.field(field).null_count:
            return _NOWHERE
        others = [taken.field(kind).is_valid().to_numpy(False) for kind in _MADE if kind != field]
        rows: Places = self.parents[places[np.any(others, axis=0)]]
        return rows

    def outside(self, name: str, field: str, most: float) -> Places:
        """The spans whose attribute is no number from 0 to `most`; `field` says of which kind."""
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return _NOWHERE
        numbers = self.values.field(field).take(pa.array(places)).fill_null(0).to_numpy(False)
        rows: Places = self.parents[places[~((numbers >= 0) & (numbers <= most))]]
        return rows

    def column(self, name: str, field: str, kind: pa.DataType) -> pa.Array:
        """The attribute of each span, NULL where it has none."""
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return pa.nulls(self.count, kind)
        taken = np.full(self.count, -1, np.int64)
        taken[self.parents[places]] = places
        found = self.values.field(field).take(pa.array(taken, mask=taken < 0))
        return found if found.type == kind else found.cast(kind)

    def lists(self, name: str) -> tuple[pa.Array, list[Any]]:
        """The attribute of each span as a number of a list of the different ones, and these."""
        encoded = self.column(name, "array", pa.binary()).dictionary_encode()
        return encoded.indices, [listed(each) for each in encoded.dictionary.to_pylist()]

    def at(self, row: int, names: Collection[str]) -> dict[str, Any]:
        """Some attributes of one span, as Python's values."""
        places = range(self._offsets[row], self._offsets[row + 1])
        found = ((self.names[self.codes[place]], place) for place in places)
        return {name: self._value(place) for name, place in found if name in names}

    def json(self, without: Collection[str], renamed: dict[str, str]) -> pa.Array:
        """All attributes of each span but some, as the text of a JSON object."""
        left_out = [i for i, name in enumerate(self.names) if name in without]
        kept = np.flatnonzero(~np.isin(self.codes, left_out)) if left_out else None
        keys = pa.array([f"{text(renamed.get(name, name))}:" for name in self.names], pa.string())
        pairs = self._pairs(keys, kept)
        offsets = self._offsets
        if kept is not None:
            offsets = np.searchsorted(kept, offsets)
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs)
        return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")

    def _pairs(self, keys: pa.Array, kept: Places | None) -> pa.Array:
        """Attributes as `"key":value`, made kind by kind and put in order again."""
        left = np.ones(len(self.codes), bool)
        if kept is not None:
            left[:] = False
            left[kept] = True
        places: list[Places] = []
        made: list[pa.Array] = []
        for field, printed in _PRINTED.items():
            values = self.values.field(field)
            if values.null_count == len(values):
                continue
            chosen = left & values.is_valid().to_numpy(False)
            if field == "double":
                chosen &= pc.is_finite(values).fill_null(False).to_numpy(False)
            here = np.flatnonzero(chosen)
            before = keys.take(pa.array(self.codes[here]))
            places.append(here)
            made.append(printed(before, values.take(pa.array(here))))
            left[here] = False
        others = np.flatnonzero(left)
        if len(others) or not made:
            texts = [text(self._value(place)) for place in others.tolist()]
            before = keys.take(pa.array(self.codes[others]))
            places.append(others)
            made.append(_joined(before, pa.array(texts, pa.string())))
        every = np.concatenate(places)
        order = np.empty(len(self.codes), np.int64)
        order[every] = np.arange(len(every))
        return pa.concat_arrays(made).take(pa.array(order if kept is None else order[kept]))

    def _value(self, place: int) -> Any:
        for field, made in _MADE.items():
            scalar = self.values.field(field)[place]
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


def escaped(texts: pa.Array) -> pa.Array:
    """Each text as it is between the quotes of JSON."""
    places = _to_escape(texts)
    if texts.null_count:
        places = places[texts.is_valid().to_numpy(False)[places]]
    if not len(places):
        return texts
    # One long list of them is made faster than many texts. No text holds `","`: the quotes inside
    # are escaped.
    listed_texts = text(texts.take(pa.array(places)).to_pylist())
    parts = pc.split_pattern(pa.array([listed_texts[2:-2]], pa.large_string()), '","').flatten()
    mask = np.zeros(len(texts), bool)
    mask[places] = True
    return pc.replace_with_mask(texts, pa.array(mask), parts.cast(pa.string()))


def _joined(before: pa.Array, *parts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(before, *parts, "")


def _with_text(before: pa.Array, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(before, '"', escaped(values), '"', "")


def _with_number(before: pa.Array, values: pa.Array) -> pa.Array:
    return _joined(before, values.cast(pa.string()))


def _with_list(before: pa.Array, values: pa.Array) -> pa.Array:
    """Few different lists come again and again."""
    encoded = values.dictionary_encode()
    printed = [text(listed(each)) for each in encoded.dictionary.to_pylist()]
    return _joined(before, pa.array(printed, pa.string()).take(encoded.indices))


# What puts the values of a kind behind their keys; all other values are printed one by one.
_PRINTED: Final[dict[str, Callable[[pa.Array, pa.Array], pa.Array]]] = {
    "string": _with_text,
    "int": _with_number,
    "double": _with_number,
    "bool": _with_number,
    "array": _with_list,
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
    if len(found) > len(texts):
        return np.flatnonzero(np.diff(np.searchsorted(found, offsets)))
    places = np.searchsorted(offsets, found, side="right") - 1
    places = places[(places >= 0) & (places < len(texts))]
    return places[np.flatnonzero(np.diff(places, prepend=-1))]
