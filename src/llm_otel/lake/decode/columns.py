"""Python's values as columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.lake.decode.values import text


def columns(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as a table. A value of a wrong type becomes one of the right type, or NULL; a number
    that is not finite is NULL."""
    if not rows:
        return schema.empty_table()
    arrays = [_array(values, field.type) for values, field in zip(zip(*rows), schema)]
    return pa.table(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        array = pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        array = pa.array([_coerce(value, kind) for value in values], kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(array), array, pa.scalar(None, kind))
    return array


def _coerce(value: Any, kind: pa.DataType) -> Any:
    """`value` where a column of `kind` takes it, else as near as it comes, else None."""
    if value is None:
        return None
    if pa.types.is_string(kind) and not isinstance(value, str):
        return text(value)
    if pa.types.is_list(kind) and not isinstance(value, list):
        value = [value]
    if pa.types.is_list(kind):
        value = [_coerce(each, kind.value_type) for each in value]
    try:
        if pa.types.is_integer(kind):
            value = int(value)
        elif pa.types.is_floating(kind):
            value = float(value)
        pa.array([value], kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None
    return value
