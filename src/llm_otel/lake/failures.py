"""What an error of the disk or of the table format says, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The reason: the table format's errors have traces of their own below it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def of_the_system(error: Exception) -> None:
    """Raise the error again where the system would not read a file, as without a descriptor left:
    that says nothing about what the file holds. Libraries raise an `OSError` for both."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, FileNotFoundError):
        raise error
