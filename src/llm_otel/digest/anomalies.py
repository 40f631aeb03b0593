"""What is unusual in a daily series, by a method that outliers of the past do not blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import fmean, median
from typing import Final

# Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993): the modified z-score is
# 0.6745 (x - median) / MAD; values beyond 3.5 are to be labelled as outliers. Where MAD is 0 they
# take the mean absolute deviation, by 1 / 1.253314.
LIMIT: Final = 3.5
_MAD_SCALE: Final = 0.6745
_MEAN_DEVIATION_SCALE: Final = 1.253314

# The same weekday of the eight weeks before, if half of them are there; else two weeks of days.
_WEEKS: Final = 8
_FEWEST_WEEKS: Final = 4
_DAYS: Final = 14
_FEWEST_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A day that stands out.

    Attributes:
        day: Which one (UTC).
        value: What it was.
        expected: The median of the days that it was compared with.
        score: The modified z-score; below 0 for too little.
        compared: How many days it was compared with.
        weekday: Whether these were days of the same weekday.
    """

    day: date
    value: float
    expected: float
    score: float
    compared: int
    weekday: bool


def score(value: float, history: Sequence[float]) -> float:
    """The modified z-score of `value` against `history` (at least one value).

    0 where the value is the median; infinite where it is not and all of history is one value.
    """
    middle = median(history)
    distance = value - middle
    if distance == 0:
        return 0.0
    deviations = [abs(each - middle) for each in history]
    mad = median(deviations)
    if mad > 0:
        return _MAD_SCALE * distance / mad
    mean = fmean(deviations)
    if mean > 0:
        return distance / (_MEAN_DEVIATION_SCALE * mean)
    return float("inf") if distance > 0 else float("-inf")


def unusual(
    series: Mapping[date, float], day: date, *, least: float, is_count: bool = False
) -> Anomaly | None:
    """Whether `day` stands out of the days before it; None where it does not, or has too few days.

    Args:
        series: The value of each day; a day that is missing is not known, which is not 0.
        day: The one to judge.
        least: A difference to the expectation smaller than this is of no interest.
        is_count: The values are counts. These vary by the root of their expectation by chance
            alone (Poisson), so three of those are not unusual however calm the history was.

    Returns:
        The anomaly, or None.
    """
    value = series.get(day)
    if value is None:
        return None
    weeks = [day - timedelta(weeks=n) for n in range(1, _WEEKS + 1)]
    history = [series[each] for each in weeks if each in series]
    weekday = len(history) >= _FEWEST_WEEKS
    if not weekday:
        days = [day - timedelta(days=n) for n in range(1, _DAYS + 1)]
        history = [series[each] for each in days if each in series]
        if len(history) < _FEWEST_DAYS:
            return None
    expectation = median(history)
    chance = 3 * sqrt(max(expectation, 1.0)) if is_count else 0.0
    deviation = score(value, history)
    if abs(deviation) <= LIMIT or abs(value - expectation) < max(least, chance):
        return None
    return Anomaly(day, value, expectation, deviation, len(history), weekday)
