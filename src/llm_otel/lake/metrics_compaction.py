"""The rows of `metrics_hourly` that differ in nothing but their amounts, as one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from llm_otel.lake.schema import METRICS

_AMOUNTS: Final = ("sum", "count", "buckets")


def compact_metrics(files: Sequence[str]) -> pa.Table:
    """One row for each hour and labels of the Parquet files; buckets are added one by one."""
    keys = [name for name in METRICS.schema.names if name not in _AMOUNTS]
    key_list = ", ".join(keys)
    selection = ", ".join(
        {
            "sum": "sum(sum) AS sum",
            "count": "CAST(sum(count) AS BIGINT) AS count",
            "buckets": "list(buckets) FILTER (buckets IS NOT NULL) AS buckets",
        }.get(name, name)
        for name in METRICS.schema.names
    )
    query = (
        f"SELECT {selection} FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"  # noqa: S608
        f" GROUP BY {key_list} ORDER BY hour, metric"
    )
    with duckdb.connect() as connection:
        folded = connection.execute(query, [list(files)]).fetchall()
    at = METRICS.schema.names.index("buckets")
    rows = [(*row[:at], _added(row[at]), *row[at + 1 :]) for row in folded]
    columns = list(zip(*rows)) or [()] * len(METRICS.schema)
    arrays = [_array(values, field.type) for values, field in zip(columns, METRICS.schema)]
    return pa.table(arrays, schema=METRICS.schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_map(kind):
        values = [value if value is None else list(value.items()) for value in values]
    return pa.array(values, kind)


def _added(lists: list[list[int]] | None) -> list[int] | None:
    return None if lists is None else [sum(each) for each in zip(*lists)]
