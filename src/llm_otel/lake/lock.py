"""One writer at a time: an advisory lock that the kernel frees when its holder dies."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from llm_otel.errors import ConfigError
from llm_otel.lake.manifest import MANIFEST

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Lock:
    """Held from construction to `release()`.

    Raises:
        ConfigError: another process holds it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            _private(folder)
            self._file = path.open("a+")
        except OSError as error:
            raise ConfigError(
                f"the lake {folder} cannot be written: {error.strerror}; choose another folder"
            ) from error
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._file.seek(0)
                holder = self._file.read().strip() or "another process"
                self._file.close()
                raise ConfigError(
                    f"the lake {folder} is being written by {holder}: "
                    "stop it first, or choose another folder"
                ) from error
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()

    def release(self) -> None:
        """Let another process write."""
        self._file.close()


def _private(folder: Path) -> None:
    """Make the folder for its owner alone; one that is there loses what all others may do.

    Raises:
        OSError: It cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        mode = folder.stat().st_mode
        if not (folder / MANIFEST).exists():
            mode &= ~stat.S_IRWXG
        with suppress(PermissionError):  # another user's, who decides
            folder.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)
