"""What is in a table already, by day, so that what is sent again counts once.

A span that is sent again has the same start, so the same day: only that day's keys are compared,
for as long as the day is in the lake. Keys are 64-bit hashes in sorted runs: 8 bytes a row.
"""

from __future__ import annotations

import binascii
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llm_otel.lake.delta import TableStore

Keys = npt.NDArray[np.uint64]

# Beyond this many keys in memory (8 bytes each) the day used longest ago is dropped, to be read
# again from its files when it is needed.
LARGEST: Final = 30_000_000
_RUNS: Final = 8


def span_keys(trace_ids: pa.ChunkedArray, span_ids: pa.ChunkedArray) -> Keys:
    """One key for each pair of hex ids of 32 and 16 digits.

    Every word is mixed before the next one comes in: ids need not be random, some generators count.
    """
    trace, span = _words(trace_ids, 2), _words(span_ids, 1)
    keys = _mixed(_mixed(trace[:, 0]) ^ trace[:, 1])
    return _mixed(keys ^ span[:, 0])


def _mixed(words: Keys) -> Keys:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one to one, every bit of the
    word changes about half of the bits."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Keys = words ^ (words >> np.uint64(31))
    return mixed


def _words(ids: pa.ChunkedArray, width: int) -> Keys:
    """Hex ids of equal length as numbers of 64 bits, by their bytes."""
    text = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    _, offsets, data = text.buffers()
    first = np.frombuffer(offsets, np.int32)[text.offset] if len(text) else 0
    digits = memoryview(data)[first : first + len(text) * width * 16] if len(text) else b""
    return np.frombuffer(binascii.unhexlify(digits), "<u8").astype(np.uint64).reshape(-1, width)


class StoredKeys:
    """The keys of one table, read from its files a day at a time when first needed."""

    def __init__(self, store: TableStore) -> None:
        self._store = store
        self._days: OrderedDict[date, list[Keys]] = OrderedDict()

    def fresh(self, rows: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows are neither in the table nor a repetition in `rows`."""
        keys, days = self._keys(rows), self._day_numbers(rows)
        fresh = np.zeros(len(keys), dtype=bool)
        fresh[_first_of_each(keys, days)] = True
        for day, here in self._by_day(days):
            for run in self._days[day]:
                fresh[here] &= ~_within(keys[here], run)
        return fresh

    def add(self, rows: pa.Table) -> None:
        """Remember rows that were stored."""
        keys, days = self._keys(rows), self._day_numbers(rows)
        for day, here in self._by_day(days):
            runs = self._days[day]
            runs.append(np.sort(keys[here]))
            if len(runs) > _RUNS:
                runs[:] = [np.sort(np.concatenate(runs))]
        while len(self._days) > 1 and self._size() > LARGEST:
            self._days.popitem(last=False)

    def forget(self) -> None:
        """Read everything again: rows may have been stored that were not added."""
        self._days.clear()

    def _size(self) -> int:
        return sum(len(run) for runs in self._days.values() for run in runs)

    def _by_day(
        self, numbers: npt.NDArray[np.int32]
    ) -> Iterator[tuple[date, npt.NDArray[np.int64]]]:
        """Each day, and which rows are of it; the day's keys are in memory then."""
        order = np.argsort(numbers, kind="stable")
        values, starts = np.unique(numbers[order], return_index=True)
        days = [_date(number) for number in values]
        # Asked once: there may be thousands of days.
        files = self._store.files_by_day() if any(day not in self._days for day in days) else {}
        for day, here in zip(days, np.split(order, starts[1:])):
            if day not in self._days:
                self._days[day] = self._read(day, files.get(day, []))
            self._days.move_to_end(day)
            yield day, here

    def _read(self, day: date, files: Sequence[str]) -> list[Keys]:
        """The keys of a day, of the files that can be read."""
        names = list(self._store.table.key)

        def read(files: Sequence[str]) -> list[Keys]:
            tables = (pq.read_table(file, columns=names, partitioning=None) for file in files)
            return [self._keys(table.drop_null()) for table in tables]

        try:
            runs = read(files)
        except (OSError, pa.ArrowException):
            if not self._store.doubt(day):
                raise
            runs = read(self._store.files(day, day))
        return [np.sort(np.concatenate(runs))] if runs else []

    def _keys(self, rows: pa.Table) -> Keys:
        names = self._store.table.key
        if len(names) == 2:
            return span_keys(rows[names[0]], rows[names[1]])
        hashes: Keys = rows[names[0]].to_numpy().astype(np.int64).view(np.uint64)
        return hashes

    def _day_numbers(self, rows: pa.Table) -> npt.NDArray[np.int32]:
        days = pc.cast(rows[self._store.table.time], pa.date32())
        return pc.cast(days, pa.int32()).to_numpy()  # type: ignore[no-any-return]


def _first_of_each(keys: Keys, days: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Positions of the first row of each key and day."""
    order = np.lexsort((keys, days))
    if not len(order):
        return order
    same = (keys[order][1:] == keys[order][:-1]) & (days[order][1:] == days[order][:-1])
    return order[np.concatenate(([True], ~same))]


def _within(keys: Keys, run: Keys) -> npt.NDArray[np.bool_]:
    """Which keys are in the sorted run."""
    if not len(run):
        return np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(run, keys), len(run) - 1)
    matches: npt.NDArray[np.bool_] = run[places] == keys
    return matches


def _date(number: np.int32) -> date:
    return date.fromordinal(int(number) + date(1970, 1, 1).toordinal())
