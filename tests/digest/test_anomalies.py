"""What the digest calls unusual."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from llm_otel.digest.anomalies import LIMIT, score, unusual

MONDAY = date(2026, 11, 16)


def days(values: list[float]) -> dict[date, float]:
    """A series that ends with MONDAY."""
    return {MONDAY - timedelta(days=len(values) - 1 - n): v for n, v in enumerate(values)}


def weekly(weeks: int, today: float) -> dict[date, float]:
    """Busy weekdays, idle week-ends, a little unrest; the last day is given."""
    series = {}
    for back in range(1, weeks * 7 + 1):
        day = MONDAY - timedelta(days=back)
        series[day] = (10.0 if day.weekday() >= 5 else 100.0) + back % 5
    return {**series, MONDAY: today}


def test_score_is_the_published_one() -> None:
    """The example of the method's own form: 0.6745 (x - median) / MAD."""
    assert score(16, [8, 9, 10, 11, 12]) == pytest.approx(0.6745 * 6 / 1)


def test_weekday_is_compared_with_its_own_kind() -> None:
    """A Monday like other Mondays is usual though yesterday was a tenth of it."""
    assert unusual(weekly(8, 103.0), MONDAY, least=1) is None


def test_weekday_out_of_its_kind() -> None:
    """A Monday as idle as a Sunday is told, with what was expected."""
    found = unusual(weekly(8, 12.0), MONDAY, least=1)
    assert found is not None
    assert found.weekday
    assert found.compared == 8
    assert found.score < -LIMIT
    assert 100 <= found.expected <= 104


def test_past_outliers_do_not_blind() -> None:
    """Two bad days of the past do not make a third one usual."""
    found = unusual(days([10, 11, 9, 500, 10, 12, 11, 400, 10, 9, 60]), MONDAY, least=1)
    assert found is not None, "60 among tens is unusual"
    assert found.expected == pytest.approx(10.5)


@pytest.mark.parametrize(
    ("values", "least"),
    [
        pytest.param([10, 11, 9, 10, 12, 90], 1, id="too little history"),
        pytest.param([0.010, 0.011, 0.009, 0.010, 0.010, 0.012, 0.010, 0.030], 1, id="cents"),
        pytest.param([], 1, id="nothing"),
    ],
)
def test_silence(values: list[float], least: float) -> None:
    """Without a baseline, or for a difference that nobody cares about, nothing is said."""
    assert unusual(days(values), MONDAY, least=least) is None


def test_calm_history() -> None:
    """A history of one single value makes any change that matters unusual, but not a count's
    that chance explains."""
    calm = days([100.0] * 10)
    assert unusual({**calm, MONDAY: 125.0}, MONDAY, least=1, is_count=True) is None
    assert unusual({**calm, MONDAY: 140.0}, MONDAY, least=1, is_count=True) is not None
