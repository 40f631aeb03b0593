"""The SQL that reads the files of a table as its rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from pyarrow import parquet

from llm_otel.lake.schema import DAY, Table


def rows(table: Table, files: Sequence[str]) -> str:
    """Every column of the schema, NULL where a file was written before the column was added."""
    columns = ", ".join(
        f"CAST(NULL AS {_sql_type(field.type)}) AS {field.name}" for field in table.partitioned
    )
    empty = f"SELECT {columns} WHERE false"
    if not files:
        return empty
    paths = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    options = f"hive_partitioning = true, hive_types = {{'{DAY}': DATE}}, union_by_name = true"
    # File names and our own schema: nothing that a user typed.
    source = f"read_parquet([{paths}], {options})"
    # One file with all columns gives them to all. A union keeps DuckDB from taking a condition into
    # the files, which at ten million rows is a tenth of a second a query: for an older lake only.
    if _columns(files[-1]).issuperset(table.schema.names):
        names = ", ".join(f'"{field.name}"' for field in table.partitioned)
        return f"SELECT {names} FROM {source}"
    return f"{empty} UNION ALL BY NAME SELECT * FROM {source}"


@functools.lru_cache(maxsize=256)
def _columns(file: str) -> frozenset[str]:
    return frozenset(parquet.read_schema(file).names)


_SQL_TYPES: Final = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp[us]": "TIMESTAMP",
    "date32[day]": "DATE",
    "list<item: string>": "VARCHAR[]",
    "list<item: double>": "DOUBLE[]",
    "list<item: int64>": "BIGINT[]",
    "map<string, string>": "MAP(VARCHAR, VARCHAR)",
}


def _sql_type(arrow: object) -> str:
    return _SQL_TYPES[str(arrow)]
