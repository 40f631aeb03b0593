"""The setting `prices:`: what each entry does, and what a mistake says."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_otel.errors import ConfigError
from llm_otel.pricing import Pricing, parse_overrides
from llm_otel.usage import Usage

WHERE = "llm-otel.yaml: prices"
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
SMALL = Usage(input_tokens=100_000, output_tokens=100_000)
DOCS = Path(__file__).parents[2] / "docs" / "cost.md"


def loaded(*entries: dict[str, Any]) -> Pricing:
    pricing = Pricing(parse_overrides(list(entries), WHERE))
    pricing.start()
    assert pricing.wait(60)
    return pricing


@pytest.fixture(scope="module")
def listed() -> Pricing:
    return loaded()


@pytest.fixture(scope="module")
def documented() -> Pricing:
    """The prices of the documentation's example."""
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return loaded(*yaml.safe_load(block)["prices"])


def test_the_documented_rates(documented: Pricing) -> None:
    """Own rates, their long context, and both ways to give a tier."""

    def total(usage: Usage, tier: str | None = None) -> float | None:
        found = documented.cost("openai_compatible", "My-Llama-3", usage, service_tier=tier)
        return None if found is None else pytest.approx(found.total)

    assert total(SMALL) == 0.08
    assert total(MILLION) == 0.40 + 0.90
    assert total(SMALL, "batch") == 0.04
    assert total(SMALL, "priority") == 0.14
    assert total(SMALL, "flex") is None


def test_the_documented_gateway(documented: Pricing, listed: Pricing) -> None:
    """`price_as` prices an unknown host by a list, here with a surcharge, for every tier."""
    for tier in (None, "priority", "batch"):
        args: dict[str, Any] = {"service_tier": tier}
        ours = documented.cost(
            "openai_compatible", "gpt-5", SMALL, host="llm.internal:8000", **args
        )
        theirs = listed.cost("openai", "gpt-5", SMALL, **args)
        assert ours.total == pytest.approx(theirs.total * 1.2), tier
        assert (ours.source, theirs.source) == ("override", "genai-prices")
    other_port = documented.cost("openai_compatible", "gpt-5", SMALL, host="llm.internal:9")
    assert other_port is None


def test_the_documented_machine(documented: Pricing) -> None:
    """A machine paid by the hour costs what the call's time is worth, shared by its calls."""
    args = ("openai_compatible", "Qwen3-32B", SMALL)
    found = documented.cost(*args, host="gpu-box:8000", duration_s=60.0)
    assert found.other == pytest.approx(4.20 / 60 / 8)
    assert (found.input, found.output) == (0.0, 0.0)
    assert documented.cost(*args, host="gpu-box:8000") is None
    assert documented.cost(*args, host="elsewhere:8000", duration_s=60.0) is None


def test_the_documented_discount_changes_on_its_day(documented: Pricing, listed: Pricing) -> None:
    """The newer discount counts from its day on, the older until then, in any order of calls."""
    for year, month, day, share in ((2026, 12, 31, 0.85), (2027, 1, 1, 0.8), (2026, 12, 1, 0.85)):
        when = datetime(year, month, day, tzinfo=timezone.utc)
        ours = documented.cost("openai", "gpt-5", SMALL, when=when)
        theirs = listed.cost("openai", "gpt-5", SMALL, when=when)
        assert ours.total == pytest.approx(theirs.total * share), when


def test_the_documented_tier_of_a_list_price(documented: Pricing, listed: Pricing) -> None:
    """A factor prices a tier that the list lacks, and leaves the standard tier to the list."""
    args = ("azure.ai.openai", "gpt-5.4", SMALL)
    standard = listed.cost(*args)
    assert documented.cost(*args).total == pytest.approx(standard.total)
    batch = documented.cost(*args, service_tier="batch")
    assert batch.total == pytest.approx(standard.total / 2)


def test_own_rates_need_no_table() -> None:
    """Rates of the settings price a call before, and without, the list prices."""
    pricing = Pricing(parse_overrides([{"model": "m", "input": 1, "output": 2}], WHERE))
    assert not pricing.ready
    assert pricing.cost("openai", "m", MILLION).total == pytest.approx(3.0)
    assert pricing.cost("openai", "gpt-4o", MILLION) is None


def test_the_first_match_wins() -> None:
    """Entries count in their order."""
    pricing = Pricing(
        parse_overrides(
            [{"model": "/mini$/", "input": 1}, {"provider": "openai", "input": 5}], WHERE
        )
    )
    usage = Usage(input_tokens=1_000_000)
    assert pricing.cost("openai", "a-MINI", usage).total == pytest.approx(1.0)
    assert pricing.cost("openai", "a-mini-2", usage).total == pytest.approx(5.0)
    assert pricing.cost("groq", "a", usage) is None


def test_fees_and_seconds_have_their_own_units() -> None:
    """A request and a second cost what is said for one, a search what is said for a thousand."""
    pricing = Pricing(
        parse_overrides([{"request": 0.25, "audio_second": 0.5, "web_search": 10}], WHERE)
    )
    found = pricing.cost("x", "m", Usage(audio_seconds=2.0, web_searches=1), requests=2)
    assert found.input == pytest.approx(1.0)
    assert found.other == pytest.approx(2 * 0.25 + 0.01)


def test_no_section_is_no_entry() -> None:
    """An empty `prices:` is allowed."""
    assert tuple(parse_overrides(None, WHERE)) == ()
    assert tuple(parse_overrides([], WHERE)) == ()


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{model: m}", "prices must be a list of entries, not {'model': 'm'}."),
        ("[7]", "prices[0] must be a mapping, not 7."),
        ("[{model: m, inptu: 1}]", "prices[0] has the unknown key 'inptu'; allowed are model, "),
        ("[{model: m}]", "prices[0] must give a price: rates such as input and output, "),
        ("[{input: '1'}]", "prices[0].input must be a number of US dollars per million tokens, "),
        ("[{input: true}]", "prices[0].input must be a number of US dollars per million tokens, "),
        ("[{input: -1}]", "0 or more, not -1."),
        ("[{input: .nan}]", "0 or more, not nan."),
        ("[{input: .inf}]", "0 or more, not inf."),
        ("[{web_search: x}]", "prices[0].web_search must be a number of US dollars per thousand "),
        ("[{}, {input: 1}]", "prices[0] must give a price"),
        ("[{input: 1}, {input: x}]", "prices[1].input must be"),
        ("[{input: 1, discount: 0.1}]", "prices[0] must give one of rates, discount or price_as, "),
        ("[{input: 1, per_hour: 1}]", "but has rates and per_hour."),
        ("[{discount: 1.5}]", "prices[0].discount must be a share of the list price between -10 "),
        ("[{discount: a}]", "prices[0].discount must be a share of the list price"),
        ("[{discount: 0, above: {1: {input: 1}}}]", "prices[0].above is allowed only beside rates"),
        ("[{input: 1, above: 5}]", "prices[0].above must map numbers of input tokens to rates"),
        ("[{input: 1, above: {x: {}}}]", "prices[0].above must have whole numbers of input tokens"),
        ("[{input: 1, above: {5: {inptu: 1}}}]", "prices[0].above.5 has the unknown key 'inptu'"),
        ("[{input: 1, tiers: [batch]}]", "prices[0].tiers must map service tiers to factors"),
        ("[{input: 1, tiers: {batch: x}}]", "prices[0].tiers.batch must be a factor, 0 or more, "),
        ("[{input: 1, tiers: {default: 1}}]", "prices[0].tiers.default must be named as a service"),
        ("[{discount: 0, tiers: {batch: {input: 1}}}]", "prices[0].tiers.batch must be a factor, "),
        ("[{per_hour: 1, tiers: {batch: 1}}]", "prices[0].tiers is not allowed beside per_hour."),
        ("[{concurrency: 2}]", "prices[0].concurrency is allowed only beside per_hour."),
        ("[{per_hour: 1, concurrency: 0}]", "prices[0].concurrency must be a number of calls"),
        ("[{per_hour: x}]", "prices[0].per_hour must be a number of US dollars per hour of a call"),
        ("[{input: 1, model: 4}]", "prices[0].model must be a text, not 4."),
        ("[{input: 1, model: '/(/'}]", "prices[0].model must be a glob or a /regular expression/"),
        ("[{input: 1, from: soon}]", "prices[0].from must be a date such as 2026-01-31 (UTC), "),
        ("[{input: 1, from: 2026-01-01T10:00:00}]", "prices[0].from must be a date such as"),
    ],
)
def test_a_mistake_is_one_clear_sentence(section: str, sentence: str) -> None:
    """The message names file, key path and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        parse_overrides(yaml.safe_load(section), WHERE)
    text = str(caught.value)
    assert sentence in text
    assert text.startswith("llm-otel.yaml: prices")
    assert text.endswith(".")
    assert "\n" not in text
