"""From rates and usage to US dollars: plain float arithmetic, no price data of its own."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter, mul
from typing import Final

from llm_otel.usage import Usage

# The names of all rates, each with how many units its figure in `prices:` and in docs is for.
# In here a rate is always USD for one unit.
UNITS: Final = {
    "input": 1e6,
    "output": 1e6,
    "cache_read": 1e6,
    "cache_write": 1e6,
    "cache_write_long": 1e6,
    "input_audio": 1e6,
    "input_image": 1e6,
    "output_audio": 1e6,
    "output_image": 1e6,
    "cache_read_audio": 1e6,
    "cache_read_image": 1e6,
    "reasoning": 1e6,
    "audio_second": 1.0,
    "web_search": 1e3,
    "web_search_preview": 1e3,
    "file_search": 1e3,
    "search_unit": 1e3,
    "page": 1e3,
    "annotated_page": 1e3,
    "image": 1.0,
    "image_pixel": 1e9,
    "request": 1.0,
}

Rates = Mapping[str, float]
ALWAYS: Final = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost, in USD.

    Attributes:
        input: Input tokens, cached ones included, and seconds of audio.
        output: Output tokens, reasoning included.
        other: Hosted searches, units other than tokens, fees per request, machine time, usage of
            other models.
        source: "genai-prices", or "override" where the settings' `prices:` had a say.
        incomplete: A part of the usage has no price, or the usage contradicts itself: the true
            cost is not known, the amounts are what is known of it.
    """

    input: float
    output: float
    other: float
    source: str
    incomplete: bool = False

    @property
    def total(self) -> float:
        """The sum of the three amounts, in USD."""
        return self.input + self.output + self.other


_SEARCHES: Final = frozenset({"web_search", "web_search_preview"})

# Quantities that are billed each, and their rates.
_EACH: Final = {
    "search_units": "search_unit",
    "pages": "page",
    "images": "image",
    "image_pixels": "image_pixel",
}
_quantities: Final = attrgetter(*_EACH)
_RATES_OF_EACH: Final = tuple(_EACH.values())
_PAGE: Final = _RATES_OF_EACH.index("page")


class Meter:
    """The rates of one model for one service tier and context length, made ready to multiply.

    A part without its own rate is priced as the whole that holds it: cached audio as cached
    input, reasoning as output.
    """

    __slots__ = (
        "annotated_page", "audio_second", "by_input_modality", "by_output_kind", "cache_read",
        "cache_read_audio", "cache_read_image", "cache_write", "cache_write_long", "each",
        "file_search", "input", "input_audio", "input_image", "long_write_known",
        "min_audio_seconds", "output", "output_audio", "output_image", "prices", "reasoning",
        "request", "web_search", "web_search_preview", "whole",
    )  # fmt: skip

    def __init__(self, rates: Rates, min_audio_seconds: float = 0.0) -> None:
        rate = rates.get
        self.prices = frozenset(rates)
        self.whole = "input" in rates and "output" in rates
        self.input = rate("input", 0.0)
        self.cache_read = rate("cache_read", self.input)
        self.cache_write = rate("cache_write", self.input)
        self.cache_write_long = rate("cache_write_long", self.cache_write)
        self.long_write_known = "cache_write_long" in rates or "cache_write" not in rates
        self.input_audio = rate("input_audio", self.input)
        self.input_image = rate("input_image", self.input)
        cached = "cache_read" in rates
        self.cache_read_audio = rate(
            "cache_read_audio", self.cache_read if cached else self.input_audio
        )
        self.cache_read_image = rate(
            "cache_read_image", self.cache_read if cached else self.input_image
        )
        self.by_input_modality = not self.prices.isdisjoint(
            ("input_audio", "input_image", "cache_read_audio", "cache_read_image")
        )
        self.output = rate("output", 0.0)
        self.output_audio = rate("output_audio", self.output)
        self.output_image = rate("output_image", self.output)
        self.reasoning = rate("reasoning", self.output)
        self.by_output_kind = not self.prices.isdisjoint(
            ("output_audio", "output_image", "reasoning")
        )
        self.audio_second = rate("audio_second", 0.0)
        self.min_audio_seconds = min_audio_seconds
        self.web_search = rate("web_search", 0.0)
        self.web_search_preview = rate("web_search_preview", self.web_search)
        self.file_search = rate("file_search", 0.0)
        self.request = rate("request", 0.0)
        self.each = tuple([rate(name, 0.0) for name in _RATES_OF_EACH])
        self.annotated_page = rate("annotated_page", 0.0)

    def read(self, usage: Usage, requests: int) -> tuple[float, float, float, bool]:
        """USD for input, output and other, and whether a part is missing or contradictory."""
        cached = usage.cache_read_tokens
        long = usage.cache_write_long_tokens
        cache_writes = usage.cache_write_tokens - long
        plain = usage.input_tokens - cached - cache_writes - long
        spent_in = cache_writes * self.cache_write
        flawed = False
        if long:
            spent_in += long * self.cache_write_long
            flawed = not self.long_write_known
        if self.by_input_modality and (usage.audio_input_tokens or usage.image_input_tokens):
            spent, fresh, held = self._modalities(usage)
            spent_in += spent
            plain -= fresh
            cached -= held
        if plain < 0 or cached < 0 or cache_writes < 0:
            flawed = True
            plain = max(plain, 0)
        spent_in += plain * self.input + cached * self.cache_read

        spent_out, contradictory = self._output(usage)
        other = self.request * requests
        searched = usage.web_searches or usage.file_searches
        if searched:
            preview = usage.preview_searches
            other += (usage.web_searches - preview) * self.web_search
            other += preview * self.web_search_preview + usage.file_searches * self.file_search
        units = usage.search_units or usage.pages or usage.images or usage.image_pixels
        if units:
            other += sum(map(mul, _quantities(usage), self.each))
            other += usage.annotated_pages * (self.annotated_page - self.each[_PAGE])
        if usage.audio_seconds:
            shortest = self.min_audio_seconds * requests
            spent_in += max(usage.audio_seconds, shortest) * self.audio_second
        if not self.whole or usage.audio_seconds or searched or units:
            flawed = flawed or self._unpriced(usage)
        if usage.partial or usage.unexplained_tokens:
            flawed = flawed or usage.partial or not self._explained(usage)
        # Audio costs a multiple of text: without a rate of its own its price is not known.
        flawed = flawed or (usage.audio_input_tokens > 0 and "input_audio" not in self.prices)
        flawed = flawed or (usage.audio_output_tokens > 0 and "output_audio" not in self.prices)
        return max(spent_in, 0.0), spent_out, other, flawed or contradictory

    def _modalities(self, usage: Usage) -> tuple[float, int, int]:
        """USD for audio and image input, and how many of these are fresh and cached."""
        held_audio, held_image = usage.audio_cache_read_tokens, usage.image_cache_read_tokens
        audio = usage.audio_input_tokens - held_audio
        image = usage.image_input_tokens - held_image
        spent = (
            audio * self.input_audio
            + image * self.input_image
            + held_audio * self.cache_read_audio
            + held_image * self.cache_read_image
        )
        return spent, audio + image, held_audio + held_image

    def _output(self, usage: Usage) -> tuple[float, bool]:
        plain = usage.output_tokens
        if not self.by_output_kind:
            return plain * self.output, False
        audio, image = usage.audio_output_tokens, usage.image_output_tokens
        thought = usage.reasoning_tokens if "reasoning" in self.prices else 0
        plain -= audio + image + thought
        spent = audio * self.output_audio + image * self.output_image + thought * self.reasoning
        return spent + max(plain, 0) * self.output, plain < 0

    def _explained(self, usage: Usage) -> bool:
        """Whether audio billed by the second is what the total holds beyond input and output."""
        return usage.audio_seconds > 0 and "audio_second" in self.prices

    def _unpriced(self, usage: Usage) -> bool:
        """Whether something was used that has no rate.

        Transcription is billed by tokens or by seconds, and some providers report both: either
        one priced will do.
        """
        prices = self.prices
        timed = usage.audio_seconds > 0 and "audio_second" in prices
        metered = usage.input_tokens > 0 and "input" in prices
        return (
            (usage.input_tokens > 0 and not metered and not timed)
            or (usage.output_tokens > 0 and "output" not in prices and not timed)
            or (usage.audio_seconds > 0 and not timed and not metered)
            or (usage.web_searches > usage.preview_searches and "web_search" not in prices)
            or (usage.preview_searches > 0 and prices.isdisjoint(_SEARCHES))
            or (usage.file_searches > 0 and "file_search" not in prices)
            or any(n and rate not in prices for n, rate in zip(_quantities(usage), _RATES_OF_EACH))
            or (usage.annotated_pages > 0 and "annotated_page" not in prices)
        )


@dataclass(frozen=True)
class Price:
    """What a price source says of one model and tier.

    Attributes:
        base: Rates in USD for one unit.
        above: Rates for long contexts, as pairs of a number of input tokens and the rates of a
            request that has more than that; each set is whole, not a difference.
        since, until: Unix times between which this holds.
        min_audio_seconds: The least that one request is billed for.
        partial: The model is also billed by something that no usage reports.
    """

    base: Rates
    above: tuple[tuple[int, Rates], ...] = ()
    since: float = ALWAYS[0]
    until: float = ALWAYS[1]
    min_audio_seconds: float = 0.0
    partial: bool = False

    def scaled(self, factor: float, only: Container[str] = UNITS) -> Price:
        """The same price with the rates named in `only`, by default all, times `factor`."""

        def scale(rates: Rates) -> Rates:
            return {name: rate * factor if name in only else rate for name, rate in rates.items()}

        return replace(
            self,
            base=scale(self.base),
            above=tuple((start, scale(rates)) for start, rates in self.above),
        )


class Plan:
    """How one (provider, model, tier, host) is priced between two moments; `price` None: not."""

    __slots__ = ("above", "meter", "partial", "per_second", "since", "source", "until")

    def __init__(
        self,
        price: Price | None,
        source: str,
        window: tuple[float, float] = ALWAYS,
        *,
        per_second: float | None = None,
    ) -> None:
        self.source = source
        self.since, self.until = window
        self.per_second = per_second
        self.meter: Meter | None = None
        self.above: tuple[tuple[int, Meter], ...] = ()
        self.partial = False
        if price is not None:
            shortest = price.min_audio_seconds
            self.meter = Meter(price.base, shortest)
            longest_first = sorted(price.above, key=lambda band: band[0], reverse=True)
            self.above = tuple((start, Meter(rates, shortest)) for start, rates in longest_first)
            self.partial = price.partial
            self.since = max(self.since, price.since)
            self.until = min(self.until, price.until)

    def cost(self, usage: Usage, requests: int, duration_s: float | None) -> Cost | None:
        """The cost of `usage` summed over `requests`; None when nothing of it has a price."""
        meter = self.meter
        if meter is None:
            return self.time_cost(duration_s)
        for start, long_context in self.above:
            if usage.input_tokens > start * requests:
                meter = long_context
                break
        spent_in, spent_out, other, flawed = meter.read(usage, requests)
        if flawed and not spent_in and not spent_out and not other:
            return None
        factor = usage.price_factor
        if factor != 1.0:
            spent_in, spent_out = spent_in * factor, spent_out * factor
        return Cost(spent_in, spent_out, other, self.source, flawed or self.partial)

    def time_cost(self, duration_s: float | None) -> Cost | None:
        """What a machine paid by the hour costs for that long; None for any other price."""
        if self.per_second is None or duration_s is None:
            return None
        return Cost(0.0, 0.0, self.per_second * duration_s, self.source)
