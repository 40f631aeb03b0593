"""Prices, fees and surcharges of providers that genai-prices does not carry."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from llm_otel.pricing.rates import Price

_TOKEN_RATES: Final = frozenset(
    {
        "input", "output", "cache_read", "cache_write", "cache_write_long", "input_audio",
        "input_image", "output_audio", "output_image", "cache_read_audio", "cache_read_image",
        "reasoning",
    }
)  # fmt: skip


_SEARCHES: Final = frozenset({"web_search", "web_search_preview", "file_search"})


class _Rule(NamedTuple):
    provider: str
    host: re.Pattern[str]
    model: re.Pattern[str]
    factor: float | None  # None: a surcharge may apply, its size is not known


# First match wins; no match, no surcharge.
# OpenAI: data residency endpoints cost 10 % more for models released on or after 2026-03-05.
# https://developers.openai.com/api/docs/guides/data-residency
# xAI: the US endpoint costs 10 % more; nothing is published of the others.
# https://docs.x.ai/developers/pricing
_OPENAI_REGION: Final = re.compile(r"[a-z]{2,}\.api\.openai\.com")
_RULES: Final = (
    _Rule("openai", _OPENAI_REGION, re.compile(r"gpt-(5\.[4-9]|[6-9])"), 1.1),
    _Rule(
        "openai",
        _OPENAI_REGION,
        re.compile(
            r"gpt-(3|4|5($|-(mini|nano|pro|image|search|chat)|\.[0-3])|audio|realtime($|-mini)|oss"
            r"|image-1)|o[134]|text-|whisper-1|tts-1|moderation|ft:|chatgpt-|computer-use|codex"
        ),
        1.0,
    ),
    _Rule("openai", _OPENAI_REGION, re.compile(""), None),
    _Rule("x-ai", re.compile(r"us\.api\.x\.ai"), re.compile(""), 1.1),
    _Rule("x-ai", re.compile(r".+\.api\.x\.ai"), re.compile(""), None),
)


class _Fees(NamedTuple):
    provider: str
    model: re.Pattern[str]
    rates: Mapping[str, float]


# USD for one; of several entries for a rate the first counts, and the list price before them.
# OpenAI: https://developers.openai.com/api/docs/pricing#built-in-tools
# - A search by the preview tool costs more with models that do not reason.
# - A search model searches in every call.
# - Audio of the previews of gpt-4o: https://developers.openai.com/api/docs/models
# Cohere: https://cohere.com/pricing
# Moonshot: https://platform.moonshot.ai/docs/pricing/tools
_FEES: Final = (
    _Fees("openai", re.compile(r"gpt-4o(-mini)?-search-preview"), {"request": 25 / 1e3}),
    _Fees("openai", re.compile(r"gpt-5-search-api"), {"request": 10 / 1e3}),
    _Fees("openai", re.compile(r"gpt-4(o|\.1|\.5|-)|chatgpt-4o"), {"web_search_preview": 25 / 1e3}),
    _Fees("openai", re.compile(""), {"file_search": 2.50 / 1e3}),
    _Fees(
        "openai",
        re.compile(r"gpt-4o-audio-preview"),
        {"input_audio": 40 / 1e6, "output_audio": 80 / 1e6},
    ),
    _Fees(
        "openai",
        re.compile(r"gpt-4o-mini-audio-preview"),
        {"input_audio": 10 / 1e6, "output_audio": 20 / 1e6},
    ),
    _Fees("moonshotai", re.compile(""), {"web_search": 5 / 1e3}),
    _Fees("cohere", re.compile(r"embed-v4\.0"), {"input_image": 0.47 / 1e6}),
)


# USD for one, of models that the list does not know; the first entry counts.
# Cohere: https://cohere.com/pricing
# - A search unit is a query with up to 100 documents; longer documents count as several.
# Voyage AI: https://docs.voyageai.com/docs/pricing
# OpenAI: davinci-002 and babbage-002, by the names that their answers have;
# https://developers.openai.com/api/docs/pricing
_PRICES: Final = (
    _Fees("openai", re.compile(r"davinci:.+"), {"input": 2.0 / 1e6, "output": 2.0 / 1e6}),
    _Fees("openai", re.compile(r"babbage:.+"), {"input": 0.4 / 1e6, "output": 0.4 / 1e6}),
    _Fees("cohere", re.compile(r"rerank-v4\.0-pro"), {"search_unit": 2.50 / 1e3}),
    _Fees("cohere", re.compile(r"rerank-(v4\.0-fast|v3\.5)"), {"search_unit": 2.00 / 1e3}),
    _Fees(
        "cohere", re.compile(r"rerank-(english|multilingual)-v3\.0"), {"search_unit": 2.00 / 1e3}
    ),
    _Fees(
        "cohere", re.compile(r"rerank-(english|multilingual)-v2\.0"), {"search_unit": 1.00 / 1e3}
    ),
    _Fees(
        "cohere",
        re.compile(r"embed-(english|multilingual)(-light)?-v3\.0"),
        {"input": 0.10 / 1e6, "image": 0.10 / 1e3},
    ),
    _Fees("voyageai", re.compile(r"rerank-(lite-1|[\d.]+-lite)"), {"input": 0.02 / 1e6}),
    _Fees("voyageai", re.compile(r"rerank-[\d.]+"), {"input": 0.05 / 1e6}),
    _Fees(
        "voyageai",
        re.compile(r"voyage-multimodal-3(\.5)?"),
        {"input": 0.12 / 1e6, "image_pixel": 0.60 / 1e9},
    ),
)


def unlisted(provider: str, model: str) -> Price | None:
    """The price of a model that genai-prices does not know; None where we do not either.

    Args:
        provider, model: As genai-prices names the provider, and as the provider names the model.
    """
    for entry in _PRICES:
        if entry.provider == provider and entry.model.fullmatch(model):
            return Price(entry.rates)
    return None


def with_fees(price: Price, provider: str, model: str) -> Price:
    """The price with the provider's fees for hosted tools, where it has none of its own.

    Args:
        price: The list price.
        provider, model: As genai-prices names them.
    """
    if provider == "azure":
        return _without_fees(price)
    if "input" not in price.base:
        return price
    if provider == "google" and _ONE_RATE.match(model):
        price = _with_audio_as_text(price, speaks="-tts" in model)
    fees: dict[str, float] = {}
    for entry in _FEES:
        if entry.provider == provider and entry.model.match(model):
            fees = {**entry.rates, **fees}
    return dataclasses.replace(
        price,
        base={**fees, **price.base},
        above=tuple((start, {**fees, **rates}) for start, rates in price.above),
    )


# Google lists a rate for audio where that is not the one for text, and none beside it for models
# that speak. https://ai.google.dev/gemini-api/docs/pricing
_ONE_RATE: Final = re.compile(r"gemini-(?!2\.5-flash-preview-0)")


def _with_audio_as_text(price: Price, speaks: bool) -> Price:
    """The price with the rates of text for audio that has none of its own."""

    def filled(rates: Mapping[str, float]) -> dict[str, float]:
        audio = {"input_audio": rates["input"]} if "input" in rates else {}
        if speaks and "output" in rates:
            audio["output_audio"] = rates["output"]
        return {**audio, **rates}

    above = tuple((start, filled(rates)) for start, rates in price.above)
    return dataclasses.replace(price, base=filled(price.base), above=above)


def _without_fees(price: Price) -> Price:
    """The price without its fees for searches.

    Azure's list is OpenAI's for tokens, and another one for hosted tools.
    https://azure.microsoft.com/pricing/details/cognitive-services/openai-service/
    """

    def tokens(rates: Mapping[str, float]) -> dict[str, float]:
        return {name: rate for name, rate in rates.items() if name not in _SEARCHES}

    above = tuple((start, tokens(rates)) for start, rates in price.above)
    return dataclasses.replace(price, base=tokens(price.base), above=above)


def surcharge(price: Price, provider: str, host: str | None, model: str) -> Price:
    """The price at that host; `partial` where a surcharge may apply that is not known.

    Args:
        price: The list price.
        provider, model: As genai-prices names them.
        host: Host, with or without port, that was called.
    """
    name = (host or "").partition(":")[0].lower()
    for rule in _RULES:
        if rule.provider == provider and rule.host.fullmatch(name) and rule.model.match(model):
            if rule.factor is None:
                return dataclasses.replace(price, partial=True)
            return price.scaled(rule.factor, _TOKEN_RATES)
    return price
