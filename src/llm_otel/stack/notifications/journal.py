"""The messages in a file, so that a restart does not forget them."""

from __future__ import annotations

import json
import os
from collections import deque
from datetime import datetime
from pathlib import Path

# Of messages that are kept (bytes).
MEMORY = 16 << 20


class Journal:
    """A file with one message a line: when it came, and the body that it came in.

    Args:
        path: The file; it and its folder are created.
        keep: How many messages are worth keeping.
        size: How many bytes of them; the file may hold twice as much for a while.

    Raises:
        OSError: The file cannot be read or written.
    """

    def __init__(self, path: Path, keep: int, size: int = MEMORY) -> None:
        self._path = path
        self._keep = keep
        self._size = size
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._lines = 0
        self._trim()

    def entries(self) -> list[tuple[datetime, bytes]]:
        """What is kept, oldest first; a line that a crash cut off is passed over."""
        entries: deque[tuple[datetime, bytes]] = deque()
        size = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    received = datetime.fromisoformat(entry["received"])
                    body = entry["body"].encode()
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
                entries.append((received, body))
                size += len(body)
                while len(entries) > self._keep or size > self._size:
                    size -= len(entries.popleft()[1])
        return list(entries)

    def append(self, received: datetime, body: bytes) -> None:
        """Add a message; it is on the disk when this returns.

        Raises:
            OSError: It is not.
        """
        if self._lines >= 2 * self._keep or self._path.stat().st_size > 2 * self._size:
            self._trim()
        with self._path.open("ab") as file:
            file.write(_line(received, body))
            file.flush()
            os.fsync(file.fileno())
        self._lines += 1

    def _trim(self) -> None:
        """Leave nothing in the file but what is worth keeping, each on a line of its own."""
        lines = [_line(received, body) for received, body in self.entries()]
        draft = self._path.with_name(f".{self._path.name}.new")
        with draft.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self._lines = len(lines)


def _line(received: datetime, body: bytes) -> bytes:
    entry = {"received": received.isoformat(), "body": body.decode("utf-8", "replace")}
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"
