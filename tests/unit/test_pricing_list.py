"""List prices: ours must be genai-prices' own, to the last digit, for every model it knows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot

from llm_otel.pricing import Pricing
from llm_otel.usage import Usage

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
SEED = 20261120

CONTEXTS = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}


@pytest.fixture(scope="module")
def pricing() -> Pricing:
    loaded = Pricing()
    loaded.start()
    assert loaded.wait(60)
    return loaded


def random_usage(rng: random.Random, scale: int) -> Usage:
    """A usage whose parts never exceed their wholes."""

    def some() -> int:
        return rng.choice((0, 0, rng.randrange(scale)))

    plain, cached, written, long, audio, image, held_audio, held_image = (some() for _ in range(8))
    spoken, drawn, thought = some(), some(), some()
    return Usage(
        input_tokens=plain + cached + written + long + audio + image + held_audio + held_image,
        output_tokens=rng.randrange(scale) + spoken + drawn + thought,
        cache_read_tokens=cached + held_audio + held_image,
        cache_write_tokens=written + long,
        cache_write_long_tokens=long,
        reasoning_tokens=thought,
        audio_input_tokens=audio + held_audio,
        image_input_tokens=image + held_image,
        audio_output_tokens=spoken,
        image_output_tokens=drawn,
        audio_cache_read_tokens=held_audio,
        image_cache_read_tokens=held_image,
        audio_seconds=rng.choice((0.0, 0.0, 3.5, 61.25)),
        web_searches=rng.choice((0, 0, 0, 7)),
    )


def theirs(usage: Usage) -> genai_prices.Usage:
    """The same usage in genai-prices' words."""
    return genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_long_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        input_audio_tokens=usage.audio_input_tokens,
        input_image_tokens=usage.image_input_tokens,
        output_audio_tokens=usage.audio_output_tokens,
        output_image_tokens=usage.image_output_tokens,
        cache_audio_read_tokens=usage.audio_cache_read_tokens,
        cache_image_read_tokens=usage.image_cache_read_tokens,
        audio_seconds=usage.audio_seconds,
        input_audio_seconds=usage.audio_seconds,
        web_searches=usage.web_searches,
    )


def every_model() -> Iterator[tuple[Any, Any]]:
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models:
            yield provider, model


def their_cost(
    provider: str, model: str, usage: Usage, when: datetime, context: dict[str, str] | None = None
) -> Any:
    try:
        return genai_prices.calc_price(
            theirs(usage),
            model,
            provider_id=provider,
            genai_request_timestamp=when,
            price_context=context,
        )
    except LookupError:
        return None


def has_tier(expected: Any, context: dict[str, str]) -> bool:
    """Whether the table has a price of its own for that context."""
    return (
        expected is not None
        and any(expected.model is own for own in expected.provider.models)
        and any(variant.when == context for variant in expected.model.price_variants or ())
    )


# Their audio has a price of ours, which the table lacks: `test_pricing_by_hand`.
OWN_AUDIO = ("gpt-4o-audio-preview", "gpt-4o-mini-audio-preview")


def fees(provider: str, model: str, usage: Usage) -> float:
    """What the providers' price pages add for searches and the table does not have, in USD."""
    if provider == "moonshotai":
        return usage.web_searches * 0.005
    if provider == "openai" and "search-" in model:
        return 0.010 if model.startswith("gpt-5") else 0.025
    return 0.0


def assert_same(ours: Any, expected: Any, case: object, *, fee: float = 0.0) -> None:
    if ours is None:
        assert expected is None or expected.total_price == 0, (case, expected)
        return
    assert ours.total - fee == pytest.approx(float(expected.total_price), rel=1e-9, abs=1e-15), case
    assert ours.output == pytest.approx(float(expected.output_price), rel=1e-9, abs=1e-18), case


def test_every_model_costs_what_genai_prices_says(pricing: Pricing) -> None:
    """Random usages of every model cost the same, short and long contexts, whatever the date."""
    rng = random.Random(SEED)
    priced = 0
    for provider, model in every_model():
        usage = random_usage(rng, rng.choice((2_000, 120_000)))
        when = datetime(2024, 6, 1, tzinfo=timezone.utc) + timedelta(
            seconds=rng.randrange(1000 * 86400)
        )
        if provider.id == "openai" and model.id in OWN_AUDIO:
            continue
        case = (provider.id, model.id, usage, when)
        ours = pricing.cost(provider.id, model.id, usage, when=when)
        fee = fees(provider.id, model.id, usage)
        assert_same(ours, their_cost(provider.id, model.id, usage, when), case, fee=fee)
        priced += ours is not None
    assert priced > 1500, priced


@pytest.mark.parametrize("tier", CONTEXTS)
def test_every_tier_costs_what_genai_prices_says(pricing: Pricing, tier: str) -> None:
    """A tier in the table is priced by it; a tier that is not there is unknown."""
    rng = random.Random(SEED)
    context = CONTEXTS[tier]
    seen = 0
    for provider, model in every_model():
        usage = random_usage(rng, rng.choice((2_000, 120_000)))
        case = (provider.id, model.id, tier, usage)
        ours = pricing.cost(provider.id, model.id, usage, service_tier=tier, when=NOW)
        expected = their_cost(provider.id, model.id, usage, NOW, context)
        if has_tier(expected, context):
            assert_same(ours, expected, case)
            seen += ours is not None
        elif (provider.id, tier) != ("groq", "flex"):
            assert ours is None, case
    assert seen > 3, seen


def test_prices_that_change_with_the_clock_are_read_again(pricing: Pricing) -> None:
    """Hour by hour over the days around each change, kept rates never outlive their validity."""
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=100)
    changing = [
        (provider.id, model.id, entry.constraint)
        for provider, model in every_model()
        if isinstance(model.prices, list) and provider.id in {"deepseek", "openai"}
        for entry in model.prices
        if entry.constraint is not None
    ]
    assert any(hasattr(constraint, "start_time") for _, _, constraint in changing)
    for provider, model, constraint in changing:
        day = getattr(constraint, "start_date", NOW.date())
        start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        for hour in range(-25, 26):
            when = start + timedelta(hours=hour, minutes=30 * (hour % 2))
            ours = pricing.cost(provider, model, usage, when=when)
            assert_same(ours, their_cost(provider, model, usage, when), (model, when))


def test_a_time_without_zone_is_utc(pricing: Pricing) -> None:
    """A naive time means UTC, as in genai-prices, whatever the machine's zone."""
    usage = Usage(input_tokens=1000)
    naive = datetime(2025, 6, 10, 0, 0)
    ours = pricing.cost("openai", "o3", usage, when=naive)
    assert ours == pricing.cost("openai", "o3", usage, when=naive.replace(tzinfo=timezone.utc))
    assert_same(ours, their_cost("openai", "o3", usage, naive), naive)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("openai", "openai"),
        ("azure.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("anthropic", "anthropic"),
        ("aws.bedrock", "aws"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("groq", "groq"),
        ("deepseek", "deepseek"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("perplexity", "perplexity"),
        ("cohere", "cohere"),
        ("moonshot_ai", "moonshotai"),
        ("together", "together"),
        ("fireworks", "fireworks"),
        ("openrouter", "openrouter"),
        ("cerebras", "cerebras"),
    ],
)
def test_our_provider_names_reach_their_prices(pricing: Pricing, ours: str, theirs: str) -> None:
    """Each provider value of the conventions, and each of ours, is priced by its own list."""
    usage = Usage(input_tokens=1000, output_tokens=1000)
    ids = [model.id for provider, model in every_model() if provider.id == theirs]
    models = [*ids, *(f"accounts/fireworks/models/{name}" for name in ids)]
    costs = [pricing.cost(ours, model, usage, when=NOW) for model in models]
    expected = [pricing.cost(theirs, model, usage, when=NOW) for model in models]
    assert costs == expected
    assert any(costs), models


@pytest.mark.parametrize("tier", [None, "", "default", "auto", "standard", "on_demand", "Default"])
def test_every_spelling_of_the_standard_tier_is_standard(
    pricing: Pricing, tier: str | None
) -> None:
    """The standard tier costs the standard price however the provider calls it."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    cost = pricing.cost("openai", "gpt-5", usage, service_tier=tier, when=NOW)
    assert_same(cost, their_cost("openai", "gpt-5", usage, NOW), tier)


def test_openai_fast_costs_as_priority(pricing: Pricing) -> None:
    """`fast` is what `priority` was called before: one price."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    fast, priority = (
        pricing.cost("openai", "gpt-5", usage, service_tier=tier, when=NOW)
        for tier in ("fast", "priority")
    )
    assert fast == priority is not None


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("openai", "gpt-5", "scale"),
        ("openai", "gpt-5", "ultrafast"),
        ("openai", "text-embedding-3-small", "batch"),
        ("azure.ai.openai", "gpt-5.4", "batch"),
        ("groq", "llama-3.3-70b-versatile", "performance"),
        ("anthropic", "claude-sonnet-4-5", "priority"),
    ],
)
def test_a_tier_without_a_known_price_is_unknown(
    pricing: Pricing, provider: str, model: str, tier: str
) -> None:
    """No tier is priced by guess: neither at the standard price nor at half of it."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    assert pricing.cost(provider, model, usage, when=NOW) is not None
    assert pricing.cost(provider, model, usage, service_tier=tier, when=NOW) is None


def test_groq_flex_costs_as_on_demand(pricing: Pricing) -> None:
    """Groq documents that flex is billed like on demand."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    args = ("groq", "llama-3.3-70b-versatile", usage)
    assert pricing.cost(*args, service_tier="flex") == pricing.cost(*args) is not None


def test_groq_transcriptions_cost_at_least_ten_seconds(pricing: Pricing) -> None:
    """One second is billed as ten, per request; sixty as sixty."""
    args = ("groq", "whisper-large-v3")
    one, ten, sixty = (pricing.cost(*args, Usage(audio_seconds=s)) for s in (1.0, 10.0, 60.0))
    assert one == ten
    assert sixty.total == pytest.approx(6 * ten.total)
    two = pricing.cost(*args, Usage(audio_seconds=12.0), requests=2)
    assert two.total == pytest.approx(2 * ten.total)


def test_a_batch_is_long_context_by_the_mean_of_its_requests(pricing: Pricing) -> None:
    """The summed input of many small requests does not cross the long-context cliff."""
    usage = Usage(input_tokens=400_000)
    args = ("openai", "gpt-5.5", usage)
    batch = pricing.cost(*args, service_tier="batch", requests=100, when=NOW)
    one = pricing.cost(*args, service_tier="batch", when=NOW)
    assert one.total == pytest.approx(2 * batch.total)


def test_azure_pays_for_models_of_other_makers(pricing: Pricing) -> None:
    """A model that Azure's list lacks is priced by its maker's, as genai-prices does."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    ours = pricing.cost("azure.ai.openai", "gpt-5.4", usage, when=NOW)
    assert_same(ours, their_cost("azure", "gpt-5.4", usage, NOW), "azure")
    assert ours is not None


@pytest.mark.parametrize(
    "model",
    ["gpt-4o-2024-08-06", "ft:gpt-4o-mini-2024-07-18:acme::1", "gpt-5.2-20251211"],
)
def test_dated_and_fine_tuned_names_find_their_model(pricing: Pricing, model: str) -> None:
    """Date suffixes and fine tunes are priced as genai-prices prices them."""
    usage = Usage(input_tokens=1000, output_tokens=10)
    ours = pricing.cost("openai", model, usage, when=NOW)
    assert ours is not None
    assert_same(ours, their_cost("openai", model, usage, NOW), model)
