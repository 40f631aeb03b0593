"""What the settings' `prices:` says: own rates, discounts, machines paid by the hour."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from llm_otel.pricing.rates import ALWAYS, Price, Rates

# A lookup of a list price, by provider and tier (None: standard).
ListPrice = Callable[[str, "str | None"], "Price | None"]


class Sheet(NamedTuple):
    """One set of rates and what it becomes for long contexts."""

    rates: Rates
    above: tuple[tuple[int, Rates], ...] = ()

    def price(self, base: Rates | None = None) -> Price:
        """As a price, over the rates of `base`; each long-context set completed by the shorter."""
        current: Rates = {**(base or {}), **self.rates}
        shortest, bands = current, []
        for start, rates in sorted(self.above):
            current = {**current, **rates}
            bands.append((start, current))
        return Price(shortest, tuple(bands))


@dataclass(frozen=True)
class Override:
    """One entry of `prices:`.

    Attributes:
        model, host: Patterns; None matches everything.
        provider: One of our provider values; None matches everything.
        start: Unix time from which the entry counts.
        sheet: Own rates; None: the list price, or a price per hour.
        tiers: By service tier, a factor on the standard price or a sheet over it.
        discount: Share taken off the list price; negative for a surcharge.
        price_as: Provider whose list price is meant; None: the provider that was called.
        per_second: USD per second of one call.
    """

    model: re.Pattern[str] | None = None
    provider: str | None = None
    host: re.Pattern[str] | None = None
    start: float = ALWAYS[0]
    sheet: Sheet | None = None
    tiers: Mapping[str, float | Sheet] = field(default_factory=dict)
    discount: float = 0.0
    price_as: str | None = None
    per_second: float | None = None

    @property
    def needs_table(self) -> bool:
        """Whether the price builds on the list price."""
        return self.sheet is None and self.per_second is None

    def matches(self, provider: str, model: str | None, host: str | None) -> bool:
        """Whether the entry is about such a call, whatever the time."""
        return (
            (self.provider is None or self.provider == provider)
            and (self.model is None or (model is not None and _matches(self.model, model)))
            and (self.host is None or (host is not None and self._host_matches(host)))
        )

    def price(self, provider: str, tier: str | None, list_price: ListPrice) -> Price | None:
        """The price for a tier (None: standard); None where the entry does not know it."""
        special = self.tiers.get(tier) if tier is not None else None
        if self.sheet is None:
            factor = 1.0 - self.discount
            base = list_price(self.price_as or provider, tier if special is None else None)
            if special is not None:
                assert isinstance(special, float)  # the parser allows no sheet over a list price
                factor *= special
            return base and base.scaled(factor)
        if tier is None:
            return self.sheet.price()
        if special is None:
            return None
        if isinstance(special, Sheet):
            return special.price(self.sheet.rates)
        return self.sheet.price().scaled(special)

    def _host_matches(self, host: str) -> bool:
        assert self.host is not None
        name, colon, port = host.rpartition(":")
        bare = name if colon and port.isdigit() else host
        return _matches(self.host, host) or _matches(self.host, bare)


class Match(NamedTuple):
    """The entry that prices a call, if any, and between which Unix times that stays so."""

    entry: Override | None
    since: float
    until: float


# The entries of `prices:` in their order.
Overrides = tuple[Override, ...]


def find(
    overrides: Overrides, provider: str, model: str | None, host: str | None, at: float
) -> Match:
    """The first entry that matches the call and has started at Unix time `at`."""
    until = ALWAYS[1]
    for entry in overrides:
        if entry.matches(provider, model, host):
            if entry.start <= at:
                return Match(entry, entry.start, until)
            until = min(until, entry.start)
    return Match(None, ALWAYS[0], until)


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.search(text) is not None
