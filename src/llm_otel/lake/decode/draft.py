"""Attributes of many spans that get other names and values, many at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel.lake.decode.any_values import Objects, from_objects, to_objects
from llm_otel.lake.decode.attributes import Attributes, Places

_MISSING: Final = object()


class Draft:
    """The entries (a span's attribute each) of many spans. They are renamed, left out and added;
    `attributes` makes a whole of them again.

    An entry is a number: first those of `source`, then the added ones. `at` tells the entry of each
    span by its name of today, for the names that a step of the rewriting reads or writes.

    Attributes:
        source: The attributes as they came.
        count: How many spans there are.
    """

    def __init__(self, source: Attributes) -> None:
        self.source = source
        self.count = source.count
        self._base = len(source.codes)
        self._names = list(source.names)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._struct: pa.StructType = source.values.type
        self._at: dict[str, Places] = {}
        self._nowhere = np.full(self.count, -1, np.int64)
        self._nowhere.flags.writeable = False
        self._renamed: list[tuple[Places, int]] = []
        self._dropped: list[Places] = []
        self._owners: list[Places] = []
        self._codes: list[Places] = []
        self._values: list[pa.StructArray] = []
        self._total = self._base

    def places(self, name: str) -> Places:
        """The entries of a name as it came."""
        return self.source.places(name)

    def rows(self, entries: Places) -> Places:
        """The spans of some entries of `source`."""
        rows: Places = self.source.parents[entries]
        return rows

    def sent_name(self, entry: int) -> str | None:
        """The name that an entry came with; None where it was added."""
        return self.source.names[self.source.codes[entry]] if entry < self._base else None

    def at(self, name: str) -> Places:
        """The entry of each span that has this attribute, -1 where it has none."""
        return self._at.get(name, self._nowhere)

    def locate(self, name: str, entries: Places) -> None:
        """Set what `at` gives for a name."""
        self._at[name] = entries

    def values(self, field: str, entries: Places) -> pa.Array:
        """The values of a kind of some entries; NULL for other kinds, and for an entry below 0."""
        outside = (entries < 0) | (entries >= self._base)
        indices = pa.array(entries, mask=outside) if outside.any() else pa.array(entries)
        found = self.source.values.field(field).take(indices)
        added = np.flatnonzero(entries >= self._base)
        if not len(added):
            return found
        order = np.arange(len(entries))
        order[added] = len(entries) + np.arange(len(added))
        both = [found, self._added(entries[added]).field(field)]
        return pa.concat_arrays(both).take(pa.array(order))

    def objects(self, entries: Places) -> Objects:
        """The values of some entries as Python's."""
        added = entries >= self._base
        if not added.any():
            return self.source.objects(entries)
        found = np.full(len(entries), None, object)
        found[~added] = self.source.objects(entries[~added])
        found[added] = to_objects(self._added(entries[added]))
        return found

    def _added(self, entries: Places) -> pa.StructArray:
        if len(self._values) > 1:
            self._values = [pa.concat_arrays(self._values)]
        return self._values[0].take(pa.array(entries - self._base))

    def rename(self, entries: Places, name: str) -> None:
        """Give some entries another name; `at` does not change."""
        if len(entries):
            self._renamed.append((entries, self._number(name)))

    def drop(self, entries: Places) -> None:
        """Leave some entries out; `at` does not change."""
        self._dropped.append(entries)

    def remove(self, rows: Places, name: str) -> None:
        """Leave an attribute of some spans out."""
        if len(rows) and name in self._at:
            self.drop(self._at[name][rows])
            self._at[name][rows] = -1

    def move(self, rows: Places, name: str, other: str) -> None:
        """Give an attribute of some spans another name; where a span has that one, leave it out."""
        if not len(rows):
            return
        entries = self._at[name][rows]
        there = self.at(other)[rows] >= 0
        self.drop(entries[there])
        self.rename(entries[~there], other)
        self._at[name][rows] = -1

    def put(self, rows: Places, name: str, field: str, values: pa.Array) -> None:
        """Give some spans an attribute, in the place of the one that they have."""
        if not len(rows):
            return
        columns = [
            values.cast(kind.type) if kind.name == field else pa.nulls(len(rows), kind.type)
            for kind in self._struct
        ]
        self._put(rows, name, pa.StructArray.from_arrays(columns, fields=list(self._struct)))

    def put_objects(self, rows: Places, name: str, objects: Sequence[Any]) -> None:
        """As `put`, for Python's values."""
        if len(rows):
            self._put(rows, name, from_objects(objects, self._struct))

    def _put(self, rows: Places, name: str, values: pa.StructArray) -> None:
        entries = self._at.get(name)
        if entries is None:
            entries = self._at[name] = self._nowhere.copy()
        self._dropped.append(entries[rows])
        entries[rows] = self._total + np.arange(len(rows))
        self._total += len(rows)
        self._owners.append(rows)
        self._codes.append(np.full(len(rows), self._number(name), np.int32))
        self._values.append(values)

    def dicts(self, rows: Places, names: Collection[str]) -> list[dict[str, Any]]:
        """Some attributes of some spans, by their names of today, as Python's values."""
        found: list[dict[str, Any]] = [{} for _ in range(len(rows))]
        for name in self._at.keys() & names:
            entries = self._at[name][rows]
            places = np.flatnonzero(entries >= 0)
            for place, value in zip(places.tolist(), self.objects(entries[places])):
                found[place][name] = value
        return found

    def update(
        self, rows: Places, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
    ) -> None:
        """Give spans the attributes `after` in the place of those of `before`."""
        changed: dict[str, tuple[list[int], list[Any]]] = {}
        gone: dict[str, list[int]] = {}
        for row, old, new in zip(rows.tolist(), before, after):
            for name, value in new.items():
                if value is not old.get(name, _MISSING):
                    places, values = changed.setdefault(name, ([], []))
                    places.append(row)
                    values.append(value)
            for name in old.keys() - new.keys():
                gone.setdefault(name, []).append(row)
        for name, (places, values) in changed.items():
            self.put_objects(np.array(places), name, values)
        for name, places in gone.items():
            self.remove(np.array(places), name)

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    def attributes(self) -> Attributes:
        """What came of it."""
        codes = np.concatenate([self.source.codes, *self._codes])
        for entries, number in self._renamed:
            codes[entries] = number
        left = np.ones(self._total + 1, bool)  # the last one is for entries of -1
        for entries in self._dropped:
            left[entries] = False
        kept = np.flatnonzero(left[:-1])
        rows = np.concatenate([self.source.parents, *self._owners])[kept]
        order = kept[np.argsort(rows, kind="stable")]
        indices = pa.array(order)
        columns = [
            _taken(
                [values.field(field.name) for values in (self.source.values, *self._values)],
                indices,
            )
            for field in self._struct
        ]
        keys, names = _without_unused(codes[order].astype(np.int32), self._names)
        pairs = pa.StructArray.from_arrays(
            [
                pa.DictionaryArray.from_arrays(pa.array(keys), pa.array(names, pa.string())),
                pa.StructArray.from_arrays(columns, fields=list(self._struct)),
            ],
            names=["key", "value"],
        )
        ends = np.cumsum(np.bincount(rows, minlength=self.count))
        offsets = pa.array(np.concatenate(([0], ends)), pa.int32())
        return Attributes(pa.ListArray.from_arrays(offsets, pairs))


def _taken(fields: Sequence[pa.Array], indices: pa.Array) -> pa.Array:
    """The values at `indices` of some arrays one after another."""
    if all(field.null_count == len(field) for field in fields):
        return pa.nulls(len(indices), fields[0].type)
    return pa.concat_arrays(fields).take(indices)


def _without_unused(codes: Any, names: list[str]) -> tuple[Any, list[str]]:
    """The codes, and the names that are left."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    numbers = np.zeros(len(names), np.int32)
    numbers[used] = np.arange(len(used))
    return numbers[codes], [names[number] for number in used.tolist()]
