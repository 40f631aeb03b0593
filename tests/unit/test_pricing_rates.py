"""What is priced, what is flagged, and what is unknown."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from llm_otel.pricing import Cost, Pricing, parse_overrides
from llm_otel.usage import Usage

RATES = {
    "input": 10, "output": 20, "cache_read": 1, "cache_write": 12, "web_search": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def listed() -> Pricing:
    """Prices of genai-prices, loaded."""
    pricing = Pricing()
    pricing.start()
    assert pricing.wait(60)
    return pricing


def priced_by(**rates: Any) -> Pricing:
    """Prices of one entry, with no table loaded."""
    return Pricing(parse_overrides([rates], "llm-otel.yaml: prices"))


def cost(pricing: Pricing, **usage: Any) -> Cost | None:
    return pricing.cost("openai", "m", Usage(**usage))


def test_cached_and_written_tokens_are_part_of_the_input() -> None:
    """Each input token is billed once, at the rate of the narrowest part that holds it."""
    found = cost(
        priced_by(**RATES),
        input_tokens=1000,
        output_tokens=100,
        cache_read_tokens=300,
        cache_write_tokens=200,
        reasoning_tokens=50,
    )
    assert found is not None
    assert found.input == pytest.approx((500 * 10 + 300 * 1 + 200 * 12) / 1e6)
    assert found.output == pytest.approx(100 * 20 / 1e6)
    assert (found.other, found.source, found.incomplete) == (0.0, "override", False)
    assert found.total == found.input + found.output


def test_hosted_searches_are_other_costs() -> None:
    """Searches are billed by the thousand, apart from tokens."""
    found = cost(priced_by(**RATES), input_tokens=1000, web_searches=3)
    assert found is not None
    assert found.other == pytest.approx(0.03)
    assert not found.incomplete


def test_file_searches_have_a_fee_of_their_own(listed: Pricing) -> None:
    """OpenAI's are 2.50 USD a thousand, in every region; elsewhere the cost is not called whole."""
    usage = Usage(1000, 100, file_searches=2)
    for host in ("api.openai.com", "eu.api.openai.com"):
        found = listed.cost("openai", "gpt-4o", usage, host=host)
        assert found is not None
        assert (found.other, found.incomplete) == (pytest.approx(0.005), False)
    azure = listed.cost("azure.ai.openai", "gpt-4o", usage)
    assert azure is not None
    assert (azure.other, azure.incomplete) == (0.0, True)
    own = cost(priced_by(**RATES, file_search=4), input_tokens=1000, file_searches=2)
    assert own is not None
    assert (own.other, own.incomplete) == (pytest.approx(0.008), False)


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param({"input_tokens": 1, "cache_read_tokens": 2}, id="more cached than read"),
        pytest.param(
            {"input_tokens": 100, "cache_write_tokens": 50, "cache_write_long_tokens": 60},
            id="more long-lived than written",
        ),
        pytest.param(
            {"input_tokens": 100, "cache_write_tokens": 50, "cache_write_long_tokens": 50},
            id="long-lived writes without a rate",
        ),
    ],
)
def test_a_usage_that_cannot_be_priced_exactly_is_flagged(usage: dict[str, int]) -> None:
    """A contradiction, or a lifetime without a rate, never gives an unflagged or negative cost."""
    found = cost(priced_by(**RATES), **usage)
    assert found is not None
    assert found.incomplete
    assert found.input >= 0


def test_a_part_without_price_is_flagged() -> None:
    """Searches without a rate leave a cost that says it is not the whole."""
    found = cost(priced_by(input=10, output=20), input_tokens=1000, web_searches=1)
    assert found is not None
    assert found.incomplete
    assert found.total == pytest.approx(0.01)


def test_nothing_priced_is_unknown_not_free() -> None:
    """A usage of which no part has a rate has no cost at all."""
    assert cost(priced_by(input=10), audio_seconds=5.0) is None
    assert cost(priced_by(input=10), output_tokens=5) is None


def test_transcription_is_billed_by_seconds_or_by_tokens() -> None:
    """Where a provider reports both, the one with a rate is the whole cost."""
    by_second = cost(priced_by(audio_second=0.001), audio_seconds=30.0, input_tokens=400)
    by_token = cost(priced_by(input=10, output=1), audio_seconds=30.0, input_tokens=400)
    assert by_second == Cost(pytest.approx(0.03), 0.0, 0.0, "override", False)
    assert by_token == Cost(pytest.approx(0.004), 0.0, 0.0, "override", False)


def test_usage_of_another_model_is_added(listed: Pricing) -> None:
    """A hosted image is priced by the model that drew it; an unnamed one leaves the cost open."""
    drawn = Usage(output_tokens=1000)
    plain = Usage(input_tokens=100)
    own = listed.cost("openai", "gpt-5", plain)
    image = listed.cost("openai", "gpt-image-1", drawn)
    named = listed.cost("openai", "gpt-5", Usage(100, extra=(("gpt-image-1", drawn),)))
    unnamed = listed.cost("openai", "gpt-5", Usage(100, extra=((None, drawn),)))
    assert named is not None
    assert unnamed is not None
    assert (named.input, named.other, named.incomplete) == (own.input, image.total, False)
    assert (unnamed.total, unnamed.incomplete) == (own.total, True)


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        ("openai_compatible", None),
        ("openai_compatible", "gateway.example:8000"),
        ("openai_compatible", "api.openai.com.example.org:443"),
        ("openai_compatible", "localhost:11434"),
        ("ollama", "localhost:11434"),
        ("my-gateway", "llm.internal"),
    ],
)
def test_a_host_that_nobody_knows_has_no_price(
    listed: Pricing, provider: str, host: str | None
) -> None:
    """`gpt-4o` from an unknown host is not priced as if OpenAI billed it."""
    assert listed.cost(provider, "gpt-4o", Usage(100, 100), host=host) is None


@pytest.mark.parametrize(
    ("host", "biller", "model"),
    [
        ("api.openai.com:443", "openai", "gpt-4o"),
        ("api.groq.com", "groq", "llama-3.3-70b-versatile"),
        ("api.moonshot.ai:443", "moonshot_ai", "kimi-k2"),
        ("acme.openai.azure.com:443", "azure.ai.openai", "gpt-4o"),
    ],
)
def test_an_unnamed_provider_is_priced_by_who_bills(
    listed: Pricing, host: str, biller: str, model: str
) -> None:
    """The host that was called tells whose price list counts."""
    usage = Usage(1000, 100)
    found = listed.cost("openai_compatible", model, usage, host=host)
    assert found == listed.cost(biller, model, usage)
    assert found is not None


@pytest.mark.parametrize(
    ("model", "factor"), [("gpt-5.5", 1.1), ("gpt-6-luna", 1.1), ("gpt-4o", 1.0), ("gpt-5", 1.0)]
)
def test_data_residency_costs_more_for_newer_models(
    listed: Pricing, model: str, factor: float
) -> None:
    """OpenAI's regional endpoints add 10 % to the tokens of models since March 2026, no fees."""
    usage = Usage(1000, 100, web_searches=1)
    world = listed.cost("openai", model, usage, host="api.openai.com:443")
    region = listed.cost("openai", model, usage, host="eu.api.openai.com:443")
    assert region.input == pytest.approx(world.input * factor)
    assert region.output == pytest.approx(world.output * factor)
    assert (region.other, region.incomplete) == (world.other, False)


def test_an_unknown_surcharge_is_flagged(listed: Pricing) -> None:
    """Where a region may cost more and nobody says how much, the cost is not called whole."""
    usage = Usage(1000, 100)
    found = listed.cost("openai", "gpt-image-2", usage, host="eu.api.openai.com")
    assert found is not None
    assert found.incomplete


def test_a_model_billed_by_characters_is_unknown(listed: Pricing) -> None:
    """Speech has no usage, so its cost is unknown, not 0."""
    assert listed.cost("openai", "tts-1", Usage()) is None


def test_moderation_is_free(listed: Pricing) -> None:
    """OpenAI charges nothing for moderations: a cost of 0 that is known."""
    found = listed.cost("openai", "omni-moderation-latest", Usage(input_tokens=10))
    assert found == Cost(0.0, 0.0, 0.0, "genai-prices", False)


def test_a_model_that_lost_its_price_is_unknown(listed: Pricing) -> None:
    """A model that the table keeps without any rate is not free."""
    assert listed.cost("cerebras", "qwen-3-coder-480b", Usage(10, 10)) is None


def test_an_unknown_model_is_named_once(listed: Pricing, caplog: pytest.LogCaptureFixture) -> None:
    """Many calls of an unknown model give one log line that names it."""
    with caplog.at_level(logging.WARNING, "llm_otel"):
        for _ in range(5):
            assert listed.cost("openai", "no-such-model", Usage(10, 10)) is None
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1, lines
    assert "no-such-model" in lines[0]


@pytest.mark.parametrize("model", [None, "", "x" * 100_000, 7])
def test_a_model_that_is_no_name_is_unknown(listed: Pricing, model: Any) -> None:
    """Whatever stands where the model's name should be, there is no price and no exception."""
    assert listed.cost("openai", model, Usage(10, 10)) is None
