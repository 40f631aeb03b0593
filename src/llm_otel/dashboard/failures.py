"""What a page says of an error, and what the log has of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from llm_otel.escaping import visible

logger = logging.getLogger("llm_otel")

Value = TypeVar("Value")


class DamagedLakeError(Exception):
    """A file was found to be damaged, which is left out from now on: to be read again."""


def logged(what: str, error: Exception) -> str:
    """Why `what` could not be drawn, in one line, which the log has too; its debug level has the
    stack."""
    reason = visible((str(error).strip().splitlines() or [""])[0])
    line = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    logger.error("llm-otel: the dashboard could not draw %s: %s", what, line)
    logger.debug("llm-otel: the same", exc_info=error)
    return line


class Lazy(Generic[Value]):
    """Something that is read when it is first called for; a failure is kept as a value is."""

    def __init__(self, load: Callable[[], Value]) -> None:
        self._load = load
        self._values: list[Value] = []
        self._error: Exception | None = None

    def __call__(self) -> Value:
        if self._error is not None:
            raise self._error
        if not self._values:
            try:
                self._values.append(self._load())
            except Exception as error:
                self._error = error
                raise
        return self._values[0]
