"""The month's cost by the mean of its last week."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_otel import projected_month

NOON = datetime(2026, 11, 20, 12)
_HOUR = timedelta(hours=1)


def hours(since: datetime, until: datetime, usd: float) -> list[tuple[datetime, float]]:
    """The same cost in every hour."""
    return [(since + n * _HOUR, usd) for n in range((until - since) // _HOUR)]


def test_an_even_month_is_projected_as_it_is() -> None:
    """A dollar an hour is 720 in November, wherever in it one looks."""
    for day in (1, 2, 8, 15, 30):
        now = NOON.replace(day=day)
        costs = hours(projected_month.window(now), now, 1.0)
        found = projected_month.project(costs, now)
        assert found is not None
        assert found.usd == pytest.approx(720)
        assert found.basis_words == "the last 7 days"


def test_one_expensive_hour_is_not_a_month_of_them() -> None:
    """100 USD in the last hour beside a dollar an hour: 819 and the rest at the week's mean."""
    costs = [*hours(datetime(2026, 11, 1), NOON - _HOUR, 1.0), (NOON - _HOUR, 100.0)]
    found = projected_month.project(costs, NOON)
    assert found is not None
    spent = 19 * 24 + 11 + 100
    assert found.spent == spent
    assert found.usd == pytest.approx(spent + (167 + 100) / 168 * 10.5 * 24)


@pytest.mark.parametrize(
    ("age", "basis", "words"),
    [
        (timedelta(minutes=1), _HOUR, "the one hour there is"),
        (5 * _HOUR, 5 * _HOUR, "the 5 hours there are"),
        (timedelta(days=3), timedelta(days=3), "the 3 days there are"),
        (timedelta(days=30), timedelta(days=7), "the last 7 days"),
    ],
)
def test_less_than_a_week_is_the_mean_of_what_there_is(
    age: timedelta, basis: timedelta, words: str
) -> None:
    """And says so."""
    found = projected_month.project([(NOON - age, 1.0), (NOON - _HOUR / 60, 0.0)], NOON)
    assert found is not None
    assert (found.basis, found.basis_words) == (basis, words)


def test_a_rest_at_the_weekend_is_a_part_of_the_week() -> None:
    """Monday's first call is not the first there is: the idle days before it count."""
    monday = datetime(2026, 11, 23, 9)
    costs = [(monday - timedelta(days=10), 1.0), (monday, 7.0)]
    found = projected_month.project(costs, monday + _HOUR)
    assert found is not None
    assert (found.pace, found.basis) == (pytest.approx(1.0), timedelta(days=7))


def test_a_month_ends_with_its_last_midnight() -> None:
    """Nothing is left of it then, and the week that began in the month before counts for a pace."""
    costs = hours(datetime(2026, 10, 18), datetime(2026, 11, 1), 1.0)
    ended = projected_month.project(costs, datetime(2026, 11, 1))
    assert ended is not None
    assert (ended.remainder, ended.usd) == (timedelta(), 14 * 24.0)
    begun = projected_month.project(costs, datetime(2026, 11, 1, 1))
    assert begun is not None
    assert (begun.spent, begun.remainder) == (0, timedelta(days=30) - _HOUR)
    assert begun.pace == pytest.approx(24 * 167 / 168)


def test_nothing_projects_nothing() -> None:
    """Unknown is not zero."""
    assert projected_month.project([], NOON) is None
    assert projected_month.project([(NOON, 1.0)], NOON) is None
