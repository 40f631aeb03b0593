"""Attributes of many spans that get other names and values, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llm_otel.lake.decode.attributes import Attributes, Places

# The kind of an entry's value that is none.
NOTHING: Final = -1


class Draft:
    """The entries (a span's attribute each) of many spans. They are renamed, left out and added;
    `attributes` makes a whole of them again.

    Attributes:
        count: How many spans there are.
        rows: The span of each entry.
        kinds: The kind of each entry's value: its place in `FIELDS`.
    """

    def __init__(self, attributes: Attributes) -> None:
        self.count = attributes.count
        self._source = attributes
        self._names = list(attributes.names)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._type = attributes.lists_of.type
        self._codes = [attributes.codes.copy()]
        self._rows = [attributes.parents]
        self._kept = [np.ones(len(attributes.codes), bool)]
        struct = self._type.value_type.field("value").type
        self.fields = {field.name: attributes.values.field(field.name) for field in struct}
        self._added: dict[str, list[pa.Array]] = {name: [] for name in self.fields}
        self.kinds = np.full(len(attributes.codes), NOTHING, np.int8)
        for number, values in enumerate(self.fields.values()):
            if values.null_count < len(values):
                self.kinds[values.is_valid().to_numpy(False)] = number

    @property
    def rows(self) -> Places:
        """The span of each entry that was there at first."""
        return self._rows[0]

    def kind(self, field: str) -> int:
        """The number in `kinds` of a kind of values."""
        return list(self.fields).index(field)

    def values(self, field: str, places: Places) -> pa.Array:
        """The values of some entries; NULL for a place below 0."""
        missing = places < 0
        indices = pa.array(places, mask=missing) if missing.any() else pa.array(places)
        return self.fields[field].take(indices)

    def rename(self, places: Places, name: str) -> None:
        """Give some entries another name."""
        self._codes[0][places] = self._number(name)

    def drop(self, places: Places) -> None:
        """Leave some entries out."""
        self._kept[0][places] = False

    def drop_rows(self, rows: npt.NDArray[np.bool_]) -> None:
        """Leave all entries of some spans out."""
        self._kept[0][rows[self.rows]] = False

    def add(self, rows: Places, name: str, field: str, values: pa.Array) -> None:
        """One more entry for each of some spans."""
        if len(rows):
            codes = np.full(len(rows), self._number(name), np.int32)
            self._add(rows, codes, {field: values.cast(self.fields[field].type)})

    def add_lists(self, rows: Places, lists: pa.Array) -> None:
        """More entries for each of some spans: lists of keys and values."""
        entries = lists.flatten()
        keys = entries.field("key").dictionary_encode()
        numbers = np.array([self._number(name) for name in keys.dictionary.to_pylist()], np.int32)
        values = entries.field("value")
        lengths = np.diff(lists.offsets.to_numpy())
        self._add(
            np.repeat(rows, lengths),
            numbers[keys.indices.to_numpy()] if len(numbers) else np.empty(0, np.int32),
            {name: values.field(name) for name in self.fields},
        )

    def _add(self, rows: Places, codes: Any, values: dict[str, pa.Array]) -> None:
        self._rows.append(rows)
        self._codes.append(codes)
        self._kept.append(np.ones(len(rows), bool))
        for name, field in self.fields.items():
            self._added[name].append(
                values[name] if name in values else pa.nulls(len(rows), field.type)
            )

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    def attributes(self) -> Attributes:
        """What came of it."""
        rows = np.concatenate(self._rows)
        kept = np.flatnonzero(np.concatenate(self._kept))
        rows = rows[kept]
        order = kept[np.argsort(rows, kind="stable")]
        codes = np.concatenate(self._codes)[order].astype(np.int32)
        indices = pa.array(order)
        struct = self._type.value_type.field("value").type
        columns = [_taken(self.fields[f.name], self._added[f.name], indices) for f in struct]
        keys, names = _without_unused(codes, self._names)
        pairs = pa.StructArray.from_arrays(
            [
                pa.DictionaryArray.from_arrays(pa.array(keys), pa.array(names, pa.string())),
                pa.StructArray.from_arrays(columns, fields=list(struct)),
            ],
            names=["key", "value"],
        )
        ends = np.cumsum(np.bincount(rows, minlength=self.count))
        offsets = pa.array(np.concatenate(([0], ends)), pa.int32())
        return Attributes(pa.ListArray.from_arrays(offsets, pairs))


def _taken(field: pa.Array, added: Sequence[pa.Array], indices: pa.Array) -> pa.Array:
    """The values at `indices` of a field and of what was added to it."""
    if all(each.null_count == len(each) for each in (field, *added)):
        return pa.nulls(len(indices), field.type)
    return pa.concat_arrays([field, *added]).take(indices)


def _without_unused(codes: Any, names: list[str]) -> tuple[Any, list[str]]:
    """The codes, and the names that are left."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    numbers = np.zeros(len(names), np.int32)
    numbers[used] = np.arange(len(used))
    return numbers[codes], [names[number] for number in used.tolist()]
