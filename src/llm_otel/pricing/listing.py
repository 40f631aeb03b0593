"""Reads genai-prices' own objects into rates: units, long-context cliffs, times of validity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from llm_otel.pricing.rates import ALWAYS, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

# genai-prices' name of a rate and of ours; what is not here is not in our usage.
_RATES: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_long",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "output_reasoning_mtok": "reasoning",
    "audio_hours": "audio_second",
    "input_audio_hours": "audio_second",
    "web_searches_kcount": "web_search",
    "requests_kcount": "request",
    "rerank_searches_kcount": "search_unit",
    "input_document_kpages": "page",
    "input_annotated_document_kpages": "annotated_page",
    "input_gpixels": "image_pixel",
}
# Billed on every call of a model that has one of these, and not part of `Usage`.
_UNSEEN: Final = frozenset(
    {
        "input_mchars",
        "input_text_messages_kcount",
        "output_citation_mtok",
    }
)


def read_price(
    prices: ModelPrice, since: float, until: float, min_audio_seconds: float, *, free: bool
) -> Price | None:
    """The price in our terms; None where it has no rate for anything that we measure.

    Args:
        prices: A model's, as resolved for one moment and tier.
        since, until: Unix times between which they hold.
        min_audio_seconds: The least that a request is billed for.
        free: No rates mean that it costs nothing.
    """
    rates = {key: rate for key, rate in vars(prices).items() if rate is not None}
    starts = sorted({tier.start for rate in rates.values() for tier in getattr(rate, "tiers", ())})
    base = _flat(rates, None)
    if not base and not free:
        return None
    return Price(
        base if not free else {"input": 0.0, "output": 0.0} | base,
        tuple((start, _flat(rates, start)) for start in starts),
        since,
        until,
        min_audio_seconds,
        partial=not _UNSEEN.isdisjoint(rates),
    )


def _flat(source: Mapping[str, Any], above: int | None) -> dict[str, float]:
    """The rates, in USD for one unit, of a request with more than `above` input tokens."""
    from genai_prices.data_units import unit_data

    rates: dict[str, float] = {}
    units = {unit.get("price_key"): unit["per"] for unit in unit_data.values()}
    for key, name in _RATES.items():
        if key in source:
            rate = source[key]
            if hasattr(rate, "tiers"):
                reached = [t.price for t in rate.tiers if above is not None and t.start <= above]
                rate = reached[-1] if reached else rate.base
            rates[name] = float(rate / units[key])
    return rates


def window(model: ModelInfo, at: float) -> tuple[float, float]:
    """The Unix times around Unix time `at` between which no constraint of its prices changes."""
    since, until = ALWAYS
    conditional = model.prices if isinstance(model.prices, list) else []
    for entry in (*conditional, *(model.price_variants or ())):
        for moment in _changes(entry.constraint, at):
            if moment <= at:
                since = max(since, moment)
            else:
                until = min(until, moment)
    return since, until


def _changes(constraint: Any, at: float) -> list[float]:
    """When a constraint starts or stops to hold, near `at`."""
    if constraint is None:
        return []
    if hasattr(constraint, "start_date"):
        return [midnight(constraint.start_date)]
    if hasattr(constraint, "start_time"):
        today = datetime.fromtimestamp(at, timezone.utc).date()
        return [
            datetime.combine(
                today + timedelta(days=day), moment, moment.tzinfo or timezone.utc
            ).timestamp()
            for moment in (constraint.start_time, constraint.end_time)
            for day in (-2, -1, 0, 1, 2)
        ]
    return [at, at + 60.0]  # a kind we do not know: ask again every minute


def midnight(day: date) -> float:
    """The Unix time at which a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
