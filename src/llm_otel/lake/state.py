"""The state of the metric series on the disk, one file for each segment that moved it on.

The file of a segment is written before its rows are committed. After a kill the state to go on
from is that of the last segment whose rows are stored, so no gain is counted twice or lost.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from llm_otel.lake.decode.series import FORMAT
from llm_otel.lake.failures import first_line
from llm_otel.lake.whole import mention

DAMAGED: Final = ".damaged"

_FORM: Final = '{"crc32": %d, "series": %s}'
_SERIES: Final = '"series": '


class Damaged(ValueError):
    """A file of the state is not what was written."""


class States:
    """The files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, is_stored: Callable[[int], bool]) -> list[Any] | None:
        """The newest state of a stored segment; those of later segments are deleted.

        None where it is damaged, now or before. An older one in its place would count again what
        came since.
        """
        for number, path in reversed(self.files(self._folder)):
            if not is_stored(number):
                path.unlink()
                continue
            try:
                state = read(path)
            except Damaged as error:
                set_aside(path)
                mention(
                    path,
                    "The state %s is damaged (%s) and kept beside it: what the metric series "
                    "gained up to their next point is not counted",
                    path,
                    error,
                )
                return None
            return None if self._lost() > number else state
        return None if self._lost() >= 0 else []

    def _lost(self) -> int:
        """The segment of the newest state that was set aside; -1 for none."""
        damaged = self._folder.glob(f"*{DAMAGED}")
        return max((int(path.stem) for path in damaged if path.stem.isdecimal()), default=-1)

    def save(self, segment: int, state: list[Any]) -> None:
        """Write the state after `segment`; the one before stays until the next is written."""
        path = self._folder / f"{segment:016}.json"
        temporary = path.with_suffix(".new")
        series = json.dumps(state)
        with temporary.open("w") as file:
            file.write(_FORM % (zlib.crc32(series.encode()), series))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        for _, old in [each for each in self.files(self._folder) if each[0] < segment][:-1]:
            old.unlink()

    @staticmethod
    def files(folder: Path) -> list[tuple[int, Path]]:
        """The states in `folder` by segment, oldest first."""
        return sorted(
            (int(path.stem), path) for path in folder.glob("*.json") if path.stem.isdecimal()
        )


def read(path: Path) -> list[Any]:
    """The series of a state, as they were given to `save`.

    Raises:
        Damaged: The file is not as it was written.
        OSError: It cannot be read.
    """
    try:
        text = path.read_bytes().decode()
        content = json.loads(text)
        if isinstance(content, dict):
            series = text.partition(_SERIES)[2][:-1]
            if zlib.crc32(series.encode()) != content["crc32"]:
                raise Damaged("its checksum is another")
            content = content["series"]
        # An older llm-otel wrote the list of series alone, without checksum.
        if content and content[0] != FORMAT:
            for _key, _time, _total, _count, _buckets, _arrived in content:
                pass
    except Damaged:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(first_line(error)) from error
    result: list[Any] = content
    return result


def set_aside(path: Path) -> Path:
    """Give a damaged file a name that nobody reads; the new path."""
    target = path.with_suffix(DAMAGED)
    path.replace(target)
    return target
