"""The intervals against figures from the books and from larger programs."""

from __future__ import annotations

import pytest

from llm_otel.lake.queries import statistics


def test_wilson() -> None:
    """Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611."""
    interval = statistics.wilson(81, 263)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = statistics.wilson(0, 20)
    assert none is not None
    assert (none.low, none.high) == pytest.approx((0, 0.1611), abs=5e-5)
    assert statistics.wilson(0, 0) is None


@pytest.mark.parametrize("size", [1, 7, 20, 263, 9_999, 1_234_567])
def test_wilson_ends_where_shares_do(size: int) -> None:
    """None of any number is 0 at the least, all are 1 at the most: not a rounding error off."""
    none, every = statistics.wilson(0, size), statistics.wilson(size, size)
    assert none is not None
    assert every is not None
    assert (none.low, every.high) == (0.0, 1.0)
    assert not none.excludes_zero


def test_a_mean_of_one_has_no_bounds() -> None:
    """One score says nothing about the next."""
    one, two = statistics.mean(0.5, None, 1), statistics.mean(0.5, 0.1, 2)
    assert one is not None
    assert two is not None
    assert (one.value, one.bounded, two.bounded) == (0.5, False, True)


def test_newcombe() -> None:
    """Newcombe 1998, table II (a): 56/70 less 48/80 is 0.2, from 0.0524 to 0.3339."""
    interval = statistics.share_difference(48, 80, 56, 70)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )


@pytest.mark.parametrize(
    ("freedom", "point"), [(4, 2.776), (10, 2.228), (30, 2.042), (120, 1.980), (1e9, 1.960)]
)
def test_students_t(freedom: float, point: float) -> None:
    """The 97.5 % points of the usual table."""
    assert statistics.quantile_t(freedom) == pytest.approx(point, rel=0.005)


def test_welch() -> None:
    """Unequal variances: freedom 18.1, t 2.100, so 2 ± 2.100 × 0.9487."""
    interval = statistics.mean_difference((10.0, 1.0, 10), (12.0, 3.0 * 10 / 11, 10))
    assert interval is not None
    assert interval.value == 2.0
    half = (interval.high - interval.low) / 2
    spread = (1 / 10 + (30 / 11) ** 2 / 10) ** 0.5
    freedom = spread**4 / ((1 / 10) ** 2 / 9 + ((30 / 11) ** 2 / 10) ** 2 / 9)
    assert half == pytest.approx(statistics.quantile_t(freedom) * spread)
    assert interval.excludes_zero == (half < 2)


def test_ranks_of_a_percentile() -> None:
    """Too few rows cannot bound a P95; many bound it closely."""
    assert statistics.quantile_ranks(0.95, 0) is None
    assert statistics.quantile_ranks(0.95, 30) is None
    ranks = statistics.quantile_ranks(0.95, 10_000)
    assert ranks is not None
    assert ranks == pytest.approx((0.9457, 0.9544), abs=1e-4)
