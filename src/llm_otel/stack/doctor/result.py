"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """How a check ended: all is well, worth knowing, or something does not work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the doctor's answer.

    Attributes:
        area: What was looked at: compose, files, secrets, ports, services, grafana, pipeline.
        state: How it ended.
        text: What was found, in one sentence without its full stop.
        todo: What to do about it; empty when nothing has to be done.
    """

    area: str
    state: State
    text: str
    todo: str = ""


def ok(area: str, text: str) -> Result:
    """All is well."""
    return Result(area, State.OK, text)


def warning(area: str, text: str, todo: str) -> Result:
    """Worth knowing."""
    return Result(area, State.WARNING, text, todo)


def failed(area: str, text: str, todo: str) -> Result:
    """Something does not work."""
    return Result(area, State.FAILED, text, todo)
