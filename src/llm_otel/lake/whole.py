"""Whether a Parquet file can be read."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Final

from pyarrow import parquet

from llm_otel.lake.failures import first_line

_MAGIC: Final = b"PAR1"
# Of the machine, not of the file.
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_logger = logging.getLogger("llm_otel.lake")
_mentioned: set[str] = set()


def quick_problem(path: str, size: int) -> str | None:
    """Why a file cannot be read, by its length and its footer; None: it looks whole.

    Args:
        path: The file.
        size: The bytes that it must have.
    """
    try:
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            if length != size:
                return f"it has {length} bytes and not {size}"
            if file.read(4) != _MAGIC:
                return "it does not begin as a Parquet file"
            file.seek(0)
            parquet.read_metadata(file)
    except OSError as error:
        if error.errno in _PASSING:
            return None
        return error.strerror or first_line(error)
    except Exception as error:  # noqa: BLE001 pyarrow has many for one cause
        return first_line(error)
    return None


def problem(path: str, size: int) -> str | None:
    """Why a file cannot be read, by reading all of it; None: it can be."""
    reason = quick_problem(path, size)
    if reason is not None:
        return reason
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches():
                pass
    except OSError as error:
        if error.errno in _PASSING:
            return None
        return first_line(error)
    except Exception as error:  # noqa: BLE001 as above
        return first_line(error)
    return None


def mention(subject: str | Path, sentence: str, *values: object) -> None:
    """Log a warning about a damaged file: once a process, however many read it."""
    if str(subject) not in _mentioned:
        _mentioned.add(str(subject))
        _logger.warning(sentence, *values)
