"""Which causes the digest names for a change of the cost."""

from __future__ import annotations

import random

import pytest

from llm_otel.lake.queries.drivers import FACTORS, Use, add_up, changes, decompose


def test_one_factor_gets_the_whole_change() -> None:
    """Where only one factor moved, it is the cause."""
    before = Use(100, 10_000, 1.0)
    for after, cause in (
        (Use(200, 20_000, 2.0), "calls"),
        (Use(100, 20_000, 2.0), "tokens per call"),
        (Use(100, 10_000, 2.0), "price per token"),
    ):
        told = decompose(before, after)
        assert told[cause] == pytest.approx(1.0), told
        assert sum(map(abs, told.values())) == pytest.approx(1.0), told


def test_causes_add_up() -> None:
    """Whatever moved, the causes add up to the change to the last cent."""
    rng = random.Random(7)
    for _ in range(500):
        before, after = (
            Use(rng.randint(1, 10**6), rng.randint(1, 10**9), rng.uniform(1e-6, 1e5))
            for _ in range(2)
        )
        told = decompose(before, after)
        assert set(told) == set(FACTORS)
        assert sum(told.values()) == pytest.approx(after.cost - before.cost, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, Use(5, 100, 2.0), {"new": 2.0}),
        (Use(5, 100, 2.0), None, {"gone": -2.0}),
        (Use(5, 0, 2.0), Use(6, 0, 3.0), {"calls": 1.0}),
        (Use(5, 100, 0.0), Use(6, 100, 3.0), {"calls": 3.0}),
    ],
)
def test_what_cannot_be_split(before: Use | None, after: Use | None, told: dict) -> None:
    """New and gone cells are named so; a factor that is not known is not made up."""
    assert decompose(before, after) == told


def test_groups_are_sorted_by_what_they_moved() -> None:
    """Cells are added up by model or tenant, the largest change first, savings too."""
    before = {("gpt-4o", "acme"): Use(10, 1000, 5.0), ("gpt-4o", "zeta"): Use(10, 1000, 1.0)}
    after = {("gpt-4o", "acme"): Use(10, 1000, 1.0), ("mini", "zeta"): Use(10, 1000, 0.5)}
    by_model = changes(before, after, lambda key: key[0])
    assert [(c.key, c.amount) for c in by_model] == [("gpt-4o", -5.0), ("mini", 0.5)]
    by_tenant = changes(before, after, lambda key: key[1])
    assert [(c.key, c.amount) for c in by_tenant] == [("acme", -4.0), ("zeta", -0.5)]
    for change in (*by_model, *by_tenant):
        assert sum(change.causes.values()) == pytest.approx(change.amount)
    assert add_up(c.causes for c in by_model)["gone"] == pytest.approx(-1.0)
