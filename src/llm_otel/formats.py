"""Figures as people read them, on the dashboard and in digests: $0.0123, 1.2 M, 840 ms, +12 %."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

NOTHING: Final = "–"
# Smaller amounts of money are written with two digits that count, down to the last one here.
_SMALL_MONEY: Final = 0.0001
_LEAST_MONEY: Final = 1e-9
_LEAST_PERCENT: Final = 0.01
_STEPS: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def money(usd: float | None) -> str:
    """US dollars: two decimals from a dollar on, below it three digits that count, then two; an
    amount that is not zero never looks like zero."""
    if usd is None or not math.isfinite(usd):
        return NOTHING
    sign, size = ("−" if usd < 0 else ""), abs(usd)
    if size >= 100_000:
        return f"{sign}${short(size)}"
    if size >= 1 or size == 0:
        return f"{sign}${size:,.2f}"
    if size < _LEAST_MONEY:
        return f"< ${_LEAST_MONEY:.9f}" if usd > 0 else f"> −${_LEAST_MONEY:.9f}"
    digits = 2 if size >= _SMALL_MONEY else 1
    decimals = digits - math.floor(math.log10(size))
    return f"{sign}${size:.{decimals}f}"


def cost(usd: float | None, unpriced: int) -> str:
    """US dollars that calls cost at least, where the cost of some is unknown or incomplete."""
    return money(usd) if usd is None or not unpriced else f"≥ {money(usd)}"


def missing(unpriced: int) -> str:
    """How many calls a sum of costs lacks, wholly or in part; nothing where it lacks none."""
    return f"{count(unpriced)} unpriced or incomplete" if unpriced else ""


def short(value: float) -> str:
    """A number of at most three digits and its thousands: 12, 1.2 k, 34.5 M."""
    size = abs(value)
    for step, name in _STEPS:
        if size >= step * 0.9995:
            return f"{_three(value / step)} {name}"
    return f"{value:.0f}" if size >= 100 or value == int(value) else _three(value)


def _three(value: float) -> str:
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def count(value: float | None) -> str:
    """A number of things."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) < 100_000 else short(value)


def number_of(value: float, thing: str) -> str:
    """So many of a thing, whose plural ends with an s: 1 call, 2 calls."""
    return f"{count(value)} {thing if value == 1 else thing + 's'}"


def seconds(value: float | None) -> str:
    """A duration: 840 ms, 2.34 s, 3 min 20 s."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 0:
        return f"−{seconds(-value)}"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
    if value < 100:
        return f"{_three(value)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 120 else f"{minutes / 60:.1f} h"


def share(value: float | None) -> str:
    """A part of one as per cent."""
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = value * 100
    size = abs(percent)
    if 0 < size < _LEAST_PERCENT:
        return f"< {_LEAST_PERCENT} %" if percent > 0 else f"> −{_LEAST_PERCENT} %"
    decimals = 0 if size >= 99.95 or percent == 0 else 1 if size >= 0.995 else 2
    return f"{percent:,.{decimals}f} %".replace("-", "−")


def ratio(value: float | None) -> str:
    """So many to one."""
    return NOTHING if value is None or not math.isfinite(value) else f"{_three(value)} : 1"


def score(value: float | None) -> str:
    """0 to 1."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3f}".replace("-", "−")


def change(now: float | None, before: float | None) -> float | None:
    """By what part `now` is more than `before`; None where there is nothing to compare."""
    return (now - before) / before if now is not None and before else None


def points(now: float | None, before: float | None) -> str:
    """The change of a share in percentage points: +0.7 pp; nothing where one is not known."""
    if now is None or before is None:
        return ""
    moved = (now - before) * 100
    if abs(moved) < 0.05:
        return "±0 pp"
    return f"{'+' if moved > 0 else '−'}{abs(moved):.{0 if abs(moved) >= 10 else 1}f} pp"


def signed(value: float | None) -> str:
    """A change: +12 %."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) < 0.0005:
        return "±0 %"
    if value > 9.995:
        return f"× {value + 1:.0f}"
    return f"{'+' if value > 0 else '−'}{abs(value) * 100:.{0 if abs(value) >= 0.1 else 1}f} %"


def when(value: object) -> str:
    """A time in UTC."""
    return f"{value:%d %b %H:%M:%S}" if isinstance(value, datetime) else NOTHING


def date(value: datetime) -> str:
    """A day: 5 Dec."""
    return f"{value.day} {value:%b}"


def text(value: object) -> str:
    """A word; a dash where nothing is said."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value if each is not None) or NOTHING
    return NOTHING if value is None or value == "" else str(value)


def plural(number: int, word: str) -> str:
    """A number with its noun: 1 call, 2 calls."""
    return f"{count(number)} {word}" if number == 1 else f"{count(number)} {word}s"
