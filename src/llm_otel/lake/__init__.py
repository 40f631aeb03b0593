"""A folder of Parquet tables (Delta) that holds what the telemetry said, and DuckDB over them.

`open(path)` reads; `Writer` in `llm_otel.lake.writer` writes, one process at a time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_otel.lake.reading import Lake


def open(path: str | os.PathLike[str]) -> Lake:
    """Open the lake in the folder `path` for reading; several processes may, while one writes.

    A folder without a lake reads as empty tables.

    Raises:
        ConfigError: the extra `[local]` is not installed, the path is a file, or the lake was
            written by a newer llm-otel.
    """
    from llm_otel.errors import ConfigError

    try:
        from llm_otel.lake.reading import Lake
    except ImportError as error:
        raise ConfigError(
            f"the lake needs {error.name}: install it with pip install 'llm-otel[local]'"
        ) from error
    return Lake(Path(path))
