"""The state of the metric series on the disk, one file for each segment that moved it on.

The file of a segment is written before its rows are committed. After a kill the state to go on
from is that of the last segment whose rows are stored, so no gain is counted twice or lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class States:
    """The files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, stored: Callable[[int], bool]) -> list[Any]:
        """The newest state whose segment is `stored`; those of later segments are deleted."""
        for number, path in reversed(self._files()):
            if stored(number):
                found: list[Any] = json.loads(path.read_text())
                return found
            path.unlink()
        return []

    def save(self, segment: int, state: list[Any]) -> None:
        """Write the state after `segment`; the one before stays until the next is written."""
        path = self._folder / f"{segment:016}.json"
        temporary = path.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        for _, old in [each for each in self._files() if each[0] < segment][:-1]:
            old.unlink()

    def _files(self) -> list[tuple[int, Path]]:
        return sorted((int(path.stem), path) for path in self._folder.glob("*.json"))
