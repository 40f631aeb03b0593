"""What an error of the disk or of the table format says, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The reason: the table format's errors have traces of their own below it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
