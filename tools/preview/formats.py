"""Numbers as Grafana shows them, by the name of their unit."""

from __future__ import annotations

import math
from typing import Any

NO_VALUE = "–"
_SHORT = ((1e12, " Tri"), (1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))
_BYTES = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"))
_SECONDS = ((86400, " days"), (3600, " hours"), (60, " mins"), (1, " s"), (1e-3, " ms"))
_RATES = {"reqps": " req/s", "cps": " c/s"}


def shown(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A value for people."""
    if value is None or math.isnan(value):
        return NO_VALUE
    if unit == "percentunit":
        return f"{_digits(value * 100, decimals)}%"
    if unit == "currencyUSD":
        scaled, suffix = _scaled(value, _SHORT)
        sign = "-" if scaled < 0 else ""
        return (
            f"{sign}${_digits(abs(scaled), decimals)}{suffix.replace(' Mil', 'M').replace(' ', '')}"
        )
    if unit in ("s", "bytes", "short"):
        scaled, suffix = _scaled(value, {"s": _SECONDS, "bytes": _BYTES, "short": _SHORT}[unit])
        whole = unit == "short" and not suffix and value == int(value)
        return f"{_digits(scaled, 0 if whole else decimals)}{suffix}"
    if unit == "locale":
        return f"{value:,.0f}"
    return _digits(value, decimals) + _RATES.get(unit, "")


def colour_of(value: float | None, steps: list[dict[str, Any]]) -> str:
    """The colour of the threshold that a value has reached."""
    colour = steps[0]["color"]
    for step in steps[1:]:
        if value is not None and value >= step["value"]:
            colour = step["color"]
    return colour


def ticks(top: float, unit: str, bottom: float = 0.0) -> list[float]:
    """Round numbers for an axis, four to eight of them."""
    span = max(top - bottom, 1e-9)
    nice = (1, 2, 5, 10)
    if unit == "s" and span > 120:
        nice_steps = [60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 432000]
        step = next((each for each in nice_steps if span / each <= 6), 864000)
    else:
        size = 10 ** math.floor(math.log10(span / 5))
        step = next(each * size for each in nice if span / (each * size) <= 6)
    first = math.ceil(bottom / step)
    return [n * step for n in range(first, math.floor(top / step) + 1)]


def _scaled(value: float, scale: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    for bound, suffix in scale:
        if abs(value) >= bound:
            return value / bound, suffix
    return value, ""


def _digits(value: float, decimals: int | None) -> str:
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
        if 0 < size < 0.01:
            decimals = 4
    return f"{value:,.{decimals}f}"
