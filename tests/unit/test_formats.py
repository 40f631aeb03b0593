"""Figures as people read them."""

from __future__ import annotations

import math

import pytest

from llm_otel import formats


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.0123456, "$0.0123"),
        (0.00012345, "$0.000123"),
        (0.0000456, "$0.000046"),
        (0.0000003, "$0.00000030"),
        (-0.0000003, "−$0.00000030"),
        (1e-12, "< $0.000000001"),
        (-1e-12, "> −$0.000000001"),
    ],
)
def test_a_known_amount_never_looks_like_zero(usd: float, shown: str) -> None:
    """Small amounts keep digits that count; only nothing is $0.00."""
    assert formats.money(usd) == shown


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (0, "0 %"),
        (1e-9, "< 0.01 %"),
        (-1e-9, "> −0.01 %"),
        (0.00012, "0.01 %"),
        (0.0123, "1.2 %"),
        (1, "100 %"),
    ],
)
def test_a_part_that_is_not_zero_never_looks_like_zero(part: float, shown: str) -> None:
    """0 % is none at all."""
    assert formats.share(part) == shown


@pytest.mark.parametrize(
    "write",
    [
        formats.money,
        formats.seconds,
        formats.share,
        formats.count,
        formats.score,
        formats.signed,
        formats.ratio,
    ],
)
@pytest.mark.parametrize("value", [None, math.inf, -math.inf, math.nan])
def test_what_is_no_figure_is_a_dash(write: object, value: float | None) -> None:
    """An unknown or unbounded value costs no page."""
    assert write(value) == formats.NOTHING  # type: ignore[operator]
