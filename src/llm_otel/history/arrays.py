"""numpy to Arrow without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Any1 = npt.NDArray[Any]

_HEX: Final = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), dtype=np.uint16)


def hex_ids(raw: npt.NDArray[np.uint8], prefix: str = "") -> Any:
    """The rows of a matrix of bytes as lower-case hexadecimal strings, `prefix` in front."""
    rows, width = raw.shape
    digits = _HEX[raw].view(np.uint8).reshape(rows, width * 2)
    if prefix:
        front = np.tile(np.frombuffer(prefix.encode(), dtype=np.uint8), (rows, 1))
        digits = np.hstack([front, digits])
    offsets = np.arange(rows + 1, dtype=np.int32) * digits.shape[1]
    data = pa.py_buffer(np.ascontiguousarray(digits))
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), data)


def words(values: Sequence[str | None], index: Any1, mask: Bools | None = None) -> Any:
    """`values[index]` as a dictionary array; null where `mask` is true."""
    indices = pa.array(index.astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def numbers(values: Any1, mask: Bools | None = None, kind: Any = None) -> Any:
    """An Arrow array; null where `mask` is true."""
    return pa.array(values, type=kind, mask=mask)


def times(microseconds: Ints) -> Any:
    """Timestamps of microseconds since the epoch."""
    return pa.array(microseconds, pa.int64()).cast(pa.timestamp("us"))


def joined(*parts: Any) -> Any:
    """Strings side by side: each part is an array, or a text repeated."""
    plain = [p.cast(pa.string()) if isinstance(p, pa.Array) else pa.scalar(p) for p in parts]
    return pc.binary_join_element_wise(*plain, "", null_handling="replace", null_replacement="")


def pick(rng: np.random.Generator, shares: Sequence[float], size: int) -> Ints:
    """Indices drawn by `shares`, which need not sum to 1."""
    bounds = np.cumsum(np.asarray(shares, dtype=float))
    points = rng.random(size) * bounds[-1]
    return np.asarray(np.searchsorted(bounds, points, side="right"), dtype=np.int64)


def table(schema: pa.Schema, columns: dict[str, Any], rows: int) -> pa.Table:
    """A table of `schema`; a column that is not given is null, dictionaries are unfolded."""
    arrays = []
    for field in schema:
        array = columns.get(field.name)
        array = pa.nulls(rows, field.type) if array is None else array
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
