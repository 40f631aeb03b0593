"""Times as people type them: dates, `yesterday`, `-3d`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

_DAY: Final = timedelta(days=1)
_DATE: Final = "2026-01-31"
_DAYS: Final = {"today": 0, "yesterday": 1}
_AGO: Final = re.compile(r"-(\d{1,4})([mhdw])")
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": _DAY,
    "w": timedelta(weeks=1),
}


def first(text: str, now: datetime) -> datetime | None:
    """When what is typed begins.

    Args:
        text: A date, a date and a time, `now`, `today`, `yesterday`, or an age as `-3d` (`m`
            minutes, `h` hours, `d` days, `w` weeks).
        now: UTC, without a zone, as what is returned.

    Returns:
        None where the text is none of these.
    """
    words = text.strip().lower()
    ago = _AGO.fullmatch(words)
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    if words == "now":
        return now
    if words in _DAYS:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - _DAYS[words] * _DAY
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not 1990 < time.year < 2200:
        return None
    return time if time.tzinfo is None else time.astimezone(timezone.utc).replace(tzinfo=None)


def last(text: str, now: datetime) -> datetime | None:
    """As `first`, but when it ends: of a day, that day's end."""
    time = first(text, now)
    if time is None:
        return None
    is_day = text.strip().lower() in _DAYS or len(text.strip()) == len(_DATE)
    return time + _DAY if is_day and not _AGO.fullmatch(text.strip()) else time
