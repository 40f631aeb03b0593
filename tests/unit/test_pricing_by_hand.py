"""The cost of a usage in hand."""

from __future__ import annotations

from datetime import datetime, timezone
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


def test_pages_cost_by_the_thousand() -> None:
    """Mistral's OCR of June 2025: 1 USD for 1,000 pages, 3 for those that are annotated."""
    when = datetime(2025, 6, 1, tzinfo=timezone.utc)
    ocr: dict[str, Any] = {"provider": "mistral_ai", "model": "mistral-ocr-2505", "when": when}
    assert cost(pages=1000, **ocr).total == pytest.approx(1.0)
    assert cost(pages=29, annotated_pages=9, **ocr).total == pytest.approx(0.020 + 9 * 0.003)
    assert cost(pages=29, **ocr).incomplete is False
    assert cost(pages=29, input_tokens=10, **ocr).incomplete


def test_a_unit_without_a_price_is_no_free_unit() -> None:
    """A chat model has no price for pages, search units, images or pixels."""
    for unit in ("pages", "search_units", "images", "image_pixels"):
        assert cost({unit: 3}, model="gpt-4o") is None, unit
        beside = cost({unit: 3, "input_tokens": 1000}, model="gpt-4o")
        assert (beside.total, beside.incomplete) == (pytest.approx(0.0025), True), unit


def test_a_unit_can_have_a_price_of_ones_own() -> None:
    """By the thousand, but images by one, and pixels by the thousand million."""
    rates = {"search_unit": 2, "page": 4, "annotated_page": 5, "image": 0.5, "image_pixel": 6}
    pricing = Pricing(parse_overrides([{"model": "m", **rates}], "x"))
    assert cost_by_hand(pricing, model="m", search_units=3).total == pytest.approx(0.006)
    assert cost_by_hand(pricing, model="m", pages=3, annotated_pages=1).total == pytest.approx(
        0.013
    )
    assert cost_by_hand(pricing, model="m", images=3).total == pytest.approx(1.5)
    assert cost_by_hand(pricing, model="m", image_pixels=10**9).total == pytest.approx(6.0)


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
        (
            {"pages": 1, "annotated_pages": 2},
            "usage field 'annotated_pages' is a part of 'pages' and cannot exceed it",
        ),
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


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        # 1000 x $2 / 10^6 + 500 x $2 / 10^6
        ("davinci:2023-07-21-v2", {"input_tokens": 1000, "output_tokens": 500}, 0.003),
        # 1000 x $0.40 / 10^6 + 500 x $0.40 / 10^6
        ("babbage:2023-07-21-v2", {"input_tokens": 1000, "output_tokens": 500}, 0.0006),
        # 20 x $2.50 + 80 x $40 + 15 x $10 + 45 x $80, by 10^6
        (
            "gpt-4o-audio-preview-2024-12-17",
            {"input_tokens": 100, "audio_input_tokens": 80, "output_tokens": 60,
             "audio_output_tokens": 45},
            0.007,
        ),
        # 20 x $0.15 + 80 x $10 + 15 x $0.60 + 45 x $20, by 10^6
        (
            "gpt-4o-mini-audio-preview",
            {"input_tokens": 100, "audio_input_tokens": 80, "output_tokens": 60,
             "audio_output_tokens": 45},
            0.001712,
        ),
    ],
)  # fmt: skip
def test_models_that_the_list_lacks(model: str, usage: dict[str, Any], usd: float) -> None:
    """Their prices are OpenAI's, for all kinds of their tokens."""
    price = cost(usage, model=model)
    assert price is not None
    assert (round(price.input + price.output + price.other, 9), price.incomplete) == (usd, False)
