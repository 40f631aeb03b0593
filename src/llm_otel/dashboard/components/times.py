"""Times on a page: written in UTC, and by the browser in local time where its reader wants that."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import htpy as h

_ZONE = re.compile(r"\b(UTC)\b")


def moment(time: datetime, text: str) -> Any:
    """A time that the switch between UTC and local time changes.

    Args:
        time: UTC, without a zone.
        text: As it is written in UTC.
    """
    return h.time(datetime=f"{time.isoformat(timespec='milliseconds')}Z")[text]


def zoned(text: str) -> Any:
    """A text in which each `UTC` follows that switch."""
    pieces = _ZONE.split(text)
    return [h.span(class_="zone")[piece] if piece == "UTC" else piece for piece in pieces]
