"""Intervals for what was counted and measured; each formula with its source.

All are 95 % intervals, two-sided. They say how far chance alone could move a figure, and nothing
about whether two groups of calls had the same work to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

Z: Final = 1.959963985


@dataclass(frozen=True)
class Interval:
    """A figure, and between which bounds it would lie in 95 of 100 repetitions."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is more than chance would explain."""
        return self.low > 0 or self.high < 0

    @property
    def bounded(self) -> bool:
        """Whether the sample was large enough to say anything: a mean of one has no bounds."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def wilson(hits: int, size: int) -> Interval | None:
    """The share `hits` of `size` (Wilson 1927, JASA 22:209); None of nothing."""
    if size == 0:
        return None
    share, z2 = hits / size, Z * Z
    middle = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = Z / (1 + z2 / size) * math.sqrt(share * (1 - share) / size + z2 / (4 * size * size))
    # Exactly 0 and 1 at the ends: rounding would leave a trifle, which is more than nothing.
    low = max(0.0, middle - half) if hits else 0.0
    high = min(1.0, middle + half) if hits < size else 1.0
    return Interval(share, low, high)


def share_difference(hits_a: int, size_a: int, hits_b: int, size_b: int) -> Interval | None:
    """Share b minus share a (Newcombe 1998, Stat. Med. 17:873, method 10)."""
    a, b = wilson(hits_a, size_a), wilson(hits_b, size_b)
    if a is None or b is None:
        return None
    value = b.value - a.value
    low = math.hypot(b.value - b.low, a.high - a.value)
    high = math.hypot(b.high - b.value, a.value - a.low)
    return Interval(value, value - low, value + high)


def mean(average: float | None, deviation: float | None, size: int) -> Interval | None:
    """A mean from its sample's standard deviation, by Student's t; that of one is unbounded."""
    if average is None or size == 0:
        return None
    half = quantile_t(size - 1) * (deviation or 0.0) / math.sqrt(size) if size > 1 else math.inf
    return Interval(average, average - half, average + half)


def mean_difference(
    a: tuple[float | None, float | None, int], b: tuple[float | None, float | None, int]
) -> Interval | None:
    """Mean b minus mean a, each given as (mean, standard deviation, size).

    Welch's interval, which does not ask for equal variances (Welch 1947, Biometrika 34:28).
    """
    if a[0] is None or b[0] is None or a[2] < 2 or b[2] < 2:
        return None
    va, vb = (a[1] or 0.0) ** 2 / a[2], (b[1] or 0.0) ** 2 / b[2]
    spread = va + vb
    freedom = spread**2 / (va**2 / (a[2] - 1) + vb**2 / (b[2] - 1)) if spread else 1e9
    half = quantile_t(freedom) * math.sqrt(spread)
    return Interval(b[0] - a[0], b[0] - a[0] - half, b[0] - a[0] + half)


def quantile_ranks(quantile: float, size: int) -> tuple[float, float] | None:
    """Between which two quantiles of a sample the true one lies: order statistics.

    The rank is binomial, taken as normal (Hahn & Meeker 1991, Statistical Intervals, 5.2). None
    where the sample is too small to bound it: a bound would lie outside of the sample.
    """
    if size == 0:
        return None
    half = Z * math.sqrt(quantile * (1 - quantile) / size)
    low, high = quantile - half, quantile + half + 1 / size
    return (low, high) if low >= 0 and high <= 1 else None


def quantile_t(freedom: float) -> float:
    """The 97.5 % point of Student's t (Cornish-Fisher expansion; Abramowitz & Stegun 26.7.5).

    Off by less than 0.5 % from 4 degrees of freedom on.
    """
    f = max(freedom, 1.0)
    z3, z5, z7 = Z**3, Z**5, Z**7
    return (
        Z
        + (z3 + Z) / (4 * f)
        + (5 * z5 + 16 * z3 + 3 * Z) / (96 * f**2)
        + (3 * z7 + 19 * z5 + 17 * z3 - 15 * Z) / (384 * f**3)
    )
