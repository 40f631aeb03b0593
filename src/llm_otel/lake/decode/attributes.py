"""The attributes of many spans as columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.foreign.quantities import Limit, amount, count, words
from llm_otel.lake.decode.any_values import Objects, to_objects
from llm_otel.lake.decode.values import as_text, listed, text

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NOWHERE: Final = np.empty(0, np.int64)
_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_SHORT: Final = 2**15


class Attributes:
    """A list of key and value structs for each span.

    Attributes:
        names: The keys that occur.
        count: How many spans there are.
        codes: The key of each entry, as its place in `names`.
        parents: The span of each entry.
        values: The value of each entry, by its kind.
    """

    def __init__(self, lists: pa.Array) -> None:
        self.count = len(lists)
        self._offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        self.parents: Places = pc.list_parent_indices(lists).to_numpy()
        entries = lists.flatten()
        self.values = entries.field("value")
        keys = entries.field("key").dictionary_encode()
        self.codes = keys.indices.to_numpy()
        self.names: list[str] = keys.dictionary.to_pylist()
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

    def having(self, names: Iterable[str]) -> Mask:
        """Whether each span has one of these attributes."""
        mask = np.zeros(self.count, bool)
        for name in self.among(names):
            mask[self.rows(name)] = True
        return mask

    def relabel(self, names: Mapping[str, str]) -> None:
        """Give attributes that all spans have under one name another one."""
        for old in self.among(names):
            self.names[self.names.index(old)] = names[old]
            self._places[names[old]] = self._places.pop(old)

    def repeated(self) -> Places:
        """The entries whose span has an attribute of the same name after them."""
        codes, parents = self.codes[self._order], self.parents[self._order]
        again = (codes[1:] == codes[:-1]) & (parents[1:] == parents[:-1])
        places: Places = self._order[:-1][again]
        return places

    def among(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that occur."""
        return [name for name in names if name in self._places]

    def objects(self, places: Places) -> Objects:
        """The values of some entries as Python's."""
        return to_objects(self.values.take(pa.array(places)))

    def column(
        self, name: str, field: str, reading: Callable[[Any], Any] | None = None
    ) -> pa.Array:
        """The attribute of each span, NULL where it has none.

        Args:
            name: The attribute.
            field: The kind of value that its senders give it.
            reading: Makes one of that kind, or None, of a value of another kind, which is NULL
                otherwise.
        """
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return pa.nulls(self.count, self.values.type.field(field).type)
        taken = self._taken(places)
        found = self.values.field(field).take(pa.array(taken, mask=taken < 0))
        if reading is None or found.null_count == self.count - len(places):
            return found
        rows = np.flatnonzero((taken >= 0) & found.is_null().to_numpy(False))
        return _replaced(found, rows, _readings(self.objects(taken[rows]), reading))

    def texts(self, name: str) -> pa.Array:
        """The attribute of each span as a text; other values as JSON."""
        return self.column(name, "string", as_text)

    def first_text(self, *names: str) -> pa.Array:
        """The first of some attributes that says anything; the last one as it is."""
        *better, last = names
        columns = (self.column(name, "string", _text_if_any) for name in better)
        return pc.coalesce(*map(none_if_empty, columns), self.texts(last))

    def quantity(self, name: str, limit: Limit) -> tuple[pa.Array, list[tuple[int, Any]]]:
        """The attribute of each span as a number; and the spans that have a value which is no
        number within the limit, with it."""
        field, reading = ("int", count) if limit.whole else ("double", amount)
        found = self.column(name, field)
        places = self._places.get(name, _NOWHERE)
        if not len(places):
            return found, []
        taken = self._taken(places)
        numbers = found.fill_null(-1).to_numpy(False)
        rows = np.flatnonzero((taken >= 0) & ~((numbers >= 0) & (numbers <= limit.most)))
        if not len(rows):
            return found, []
        values = self.objects(taken[rows])
        readings = _readings(values, lambda value: reading(value, limit.most))
        refused = [
            (row, value)
            for row, value, number in zip(rows.tolist(), values, readings)
            if number is None and value not in (None, "")
        ]
        return _replaced(found, rows, readings), refused

    def lists(self, name: str) -> tuple[pa.Array, list[Any]]:
        """The attribute of each span as the number of a list of words, NULL for none, and the
        lists."""
        encoded = self.column(name, "array").dictionary_encode()
        numbers, lists = encoded.indices, [listed(each) for each in encoded.dictionary.to_pylist()]
        places = self._places.get(name, _NOWHERE)
        if numbers.null_count > self.count - len(places):
            taken = self._taken(places)
            rows = np.flatnonzero((taken >= 0) & numbers.is_null().to_numpy(False))
            others = _readings(self.objects(taken[rows]), words)
            positions = [None if each is None else len(lists) + n for n, each in enumerate(others)]
            numbers, lists = (
                _replaced(numbers, rows, positions),
                [*lists, *(x or [] for x in others)],
            )
        return numbers, lists

    def dicts(self, rows: Places, names: Iterable[str]) -> list[dict[str, Any]]:
        """Some attributes of some spans, as Python's values in the order of the span."""
        every = [self._places[name] for name in self.among(names)]
        places = np.sort(np.concatenate([_NOWHERE, *every]))
        places = places[np.isin(self.parents[places], rows)]
        found: dict[int, dict[str, Any]] = {row: {} for row in rows.tolist()}
        owners, codes = self.parents[places].tolist(), self.codes[places].tolist()
        for row, code, value in zip(owners, codes, self.objects(places)):
            found[row][self.names[code]] = value
        return [found[row] for row in rows.tolist()]

    def _taken(self, places: Places) -> Places:
        """The entry of each span among `places`, -1 where it has none."""
        taken = np.full(self.count, -1, np.int64)
        taken[self.parents[places]] = places
        return taken

    def json(self, without: Collection[str]) -> pa.Array:
        """All attributes of each span but some, as the text of a JSON object."""
        left_out = [i for i, name in enumerate(self.names) if name in without]
        kept = np.flatnonzero(~np.isin(self.codes, left_out)) if left_out else None
        keys = pa.array([f"{text(name)}:" for name in self.names], pa.string())
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
            texts = [text(value) for value in self.objects(others)]
            before = keys.take(pa.array(self.codes[others]))
            places.append(others)
            made.append(_joined(before, pa.array(texts, pa.string())))
        every = np.concatenate(places)
        order = np.empty(len(self.codes), np.int64)
        order[every] = np.arange(len(every))
        return pa.concat_arrays(made).take(pa.array(order if kept is None else order[kept]))


def none_if_empty(texts: pa.Array) -> pa.Array:
    """NULL for an empty text."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _text_if_any(value: Any) -> str | None:
    return as_text(value) if value else None


def _readings(values: Iterable[Any], reading: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else reading(value) for value in values]


def _replaced(column: pa.Array, rows: Places, values: list[Any]) -> pa.Array:
    """A column with other values at `rows`."""
    indices = np.arange(len(column))
    indices[rows] = len(column) + np.arange(len(rows))
    return pa.concat_arrays([column, pa.array(values, column.type)]).take(pa.array(indices))


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
