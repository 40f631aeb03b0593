"""Which causes the digest names for a change of the cost."""

from __future__ import annotations

import random

import pytest

from llm_otel.lake.queries.drivers import FACTORS, Use, add_up, changes, decompose, explained


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


def test_a_shift_to_an_expensive_model_is_the_mix() -> None:
    """As many calls of the same sizes and prices as before, but more of the expensive model."""
    before = {("mini",): Use(900, 90_000, 0.9), ("large",): Use(100, 10_000, 10.0)}
    after = {("mini",): Use(500, 50_000, 0.5), ("large",): Use(500, 50_000, 50.0)}
    causes = explained(before, after)
    assert causes["mix"] == pytest.approx(39.6), causes
    assert causes["calls"] == pytest.approx(0, abs=1e-9), causes
    doubled = {key: Use(2 * use.calls, 2 * use.tokens, 2 * use.cost) for key, use in before.items()}
    causes = explained(before, doubled)
    assert causes["calls"] == pytest.approx(10.9), causes
    assert causes["mix"] == pytest.approx(0, abs=1e-9), causes


def test_what_is_new_does_not_move_the_mix_of_the_rest() -> None:
    """A new model is new; what went on as before caused nothing."""
    before = {("mini",): Use(100, 10_000, 1.0)}
    causes = explained(before, {**before, ("large",): Use(100, 10_000, 5.0)})
    assert causes["new"] == pytest.approx(5.0), causes
    assert causes["calls"] == causes["mix"] == 0, causes


def test_known_names_that_come_together_are_a_mix() -> None:
    """A tenant's first call of a model that others used is no new model."""
    before = {("mini", "acme"): Use(10, 100, 1.0), ("large", "zeta"): Use(10, 100, 9.0)}
    causes = explained(before, {**before, ("large", "acme"): Use(10, 100, 9.0)})
    assert set(causes) == set(FACTORS) | {"mix"}, causes
    assert sum(causes.values()) == pytest.approx(9.0), causes
    assert causes["mix"] > 0, causes
