"""The cost of a usage in hand."""

from __future__ import annotations

from typing import Any

import pytest

from llm_otel.pricing import Pricing, cost, cost_by_hand, parse_overrides
from llm_otel.usage import Usage


def test_all_three_forms_cost_the_same() -> None:
    """A `Usage`, a mapping, keywords: three ways to say one thing; the table is waited for."""
    fields = {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 10}
    found = cost(Usage(**fields), model="gpt-4o")
    assert found is not None
    assert found.total > 0
    assert cost(fields, model="gpt-4o") == found
    assert cost(model="gpt-4o", **fields) == found
    assert cost(
        {"input_tokens": 1000}, model="gpt-4o", output_tokens=100, cache_read_tokens=10
    ) == (found)


def test_options_reach_the_price() -> None:
    """Provider and service tier choose the price."""
    usage = Usage(input_tokens=1000)
    assert cost(usage, model="gpt-4o", provider="ollama") is None
    flex, standard = (cost(usage, model="gpt-5", service_tier=t) for t in ("flex", None))
    assert flex.total < standard.total


def test_own_prices_count() -> None:
    """With a `Pricing` given, its overrides count."""
    pricing = Pricing(parse_overrides([{"per_hour": 3600}], "x"))
    found = cost_by_hand(pricing, model="m", duration_s=2.0)
    assert found.total == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt_tokens": 1}, "usage has no field 'prompt_tokens'; its fields are input_tokens, "),
        ({"input_tokens": -1}, "usage field 'input_tokens' must be a number, 0 or more, not -1"),
        ({"input_tokens": "5"}, "usage field 'input_tokens' must be a number, 0 or more, not '5'"),
        ({"input_tokens": True}, "usage field 'input_tokens' must be a number"),
        ({"input_tokens": 1.5}, "usage field 'input_tokens' must be a number"),
        ({"audio_seconds": float("nan")}, "usage field 'audio_seconds' must be a number"),
        ({"extra": ()}, "usage has no field 'extra'"),
        (
            {"input_tokens": 1, "cache_read_tokens": 2},
            "usage field 'cache_read_tokens' is a part of 'input_tokens' and cannot exceed it",
        ),
    ],
)
def test_a_wrong_field_is_one_clear_sentence(fields: dict[str, Any], sentence: str) -> None:
    """The message names the field and what is allowed."""
    with pytest.raises(ValueError, match="usage") as caught:
        cost(fields, model="gpt-4o")
    assert sentence in str(caught.value)


def test_usage_and_fields_together_are_refused() -> None:
    """Two usages at once are a mistake of the caller."""
    with pytest.raises(ValueError, match="either a Usage or its fields"):
        cost(Usage(1), model="gpt-4o", output_tokens=1)
