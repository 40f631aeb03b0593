"""Where money is wasted: long prompts, repeats, failures, expensive models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.queries.reader import Reader

# A prompt is bloated when a call reads more than ten tokens for one that it writes.
BLOATED: Final = 10
_LEAST_CALLS: Final = 20
# `prefix_hash` is of the first 1,024 characters: at least about so many tokens.
PREFIX_TOKENS: Final = 256

# Names are grouped by their hash (see `durations`).
_BLOATED: Final = """
    SELECT any_value(feature) AS feature, any_value(prompt_name) AS prompt_name,
        any_value(prompt_version) AS prompt_version, any_value(model) AS model, count(*) AS calls,
        sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
        sum(input_tokens) / greatest(sum(output_tokens), 1) AS ratio, sum(cost_usd) AS cost_usd
    FROM {calls}
    WHERE status = 'ok' AND operation <> 'embeddings' AND input_tokens > 0
    GROUP BY hash(feature, prompt_name, prompt_version, model)
    HAVING ratio > $bloated AND calls >= $least
    ORDER BY cost_usd DESC NULLS LAST LIMIT 50
"""
# One prefix is one row inside; outside, a feature's prompt on a model: one thing to mend.
_PREFIXES: Final = """
    SELECT feature, prompt_name, model, any_value(provider) AS provider, count(*) AS prefixes,
        sum(calls)::BIGINT AS calls, sum(input_tokens)::BIGINT AS input_tokens,
        sum(cached_tokens)::BIGINT AS cached_tokens, sum(uncached)::BIGINT AS uncached_calls,
        sum(greatest(uncached - 1, 0))::BIGINT AS repeats
    FROM (SELECT prefix_hash, any_value(feature) AS feature,
            any_value(prompt_name) AS prompt_name, model, any_value(provider) AS provider,
            count(*) AS calls, sum(input_tokens) AS input_tokens,
            coalesce(sum(cache_read_tokens), 0) AS cached_tokens,
            count(*) FILTER (coalesce(cache_read_tokens, 0) = 0) AS uncached
        FROM {calls} WHERE prefix_hash IS NOT NULL AND status = 'ok'
        GROUP BY prefix_hash, model HAVING calls >= $least)
    GROUP BY feature, prompt_name, model ORDER BY repeats DESC LIMIT 50
"""
_WASTED: Final = """
    SELECT CASE status WHEN 'ok' THEN 'answered after retries'
            ELSE coalesce(error_type, status) END AS reason,
        status, model, count(*) AS calls,
        coalesce(sum(cost_usd) FILTER (status <> 'ok'), 0) AS cost_usd,
        sum(coalesce(retries, 0))::BIGINT AS retries,
        sum(duration_s) AS seconds
    FROM {calls} WHERE status <> 'ok' OR retries > 0 GROUP BY ALL
    ORDER BY cost_usd DESC, calls DESC LIMIT 60
"""
# What the program answered from its own cache; a saving that is not known stays NULL.
_CACHED: Final = """
    SELECT feature, model, any_value(provider) AS provider, count(*) AS answers,
        sum(saved) AS saved_usd,
        count(*) FILTER (doubt IS NOT NULL OR saved IS NULL) AS unknown
    FROM (SELECT feature, model, provider,
            TRY_CAST(json_extract_string(attributes, $amount) AS DOUBLE) AS saved,
            json_extract_string(attributes, $status) AS doubt
        FROM {spans} WHERE operation = $cached AND status = 'ok')
    GROUP BY feature, model ORDER BY saved_usd DESC NULLS LAST LIMIT 50
"""
_MIX: Final = """
    SELECT provider, model, service_tier, count(*) AS calls,
        sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
        coalesce(sum(cache_read_tokens), 0)::BIGINT AS cached_tokens, sum(cost_usd) AS cost_usd
    FROM {calls}
    WHERE operation IN ('chat', 'text_completion') AND (input_tokens > 0 OR output_tokens > 0)
    GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST
"""


@dataclass(frozen=True)
class Bloated:
    """A prompt that reads much and writes little."""

    feature: str | None
    prompt_name: str | None
    prompt_version: str | None
    model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    ratio: float
    cost_usd: float | None


@dataclass(frozen=True)
class Prefix:
    """Calls of a prompt on a model that begin with the same 1,024 characters as others do.

    Attributes:
        prefixes: How many such beginnings there are.
        uncached_calls: Calls that read nothing from the cache.
        repeats: These without the first of each prefix.
    """

    feature: str | None
    prompt_name: str | None
    model: str | None
    provider: str | None
    prefixes: int
    calls: int
    input_tokens: int
    cached_tokens: int
    uncached_calls: int
    repeats: int


@dataclass(frozen=True)
class Wasted:
    """Calls that brought nothing, or came late: what they cost in money and time."""

    reason: str
    status: str
    model: str | None
    calls: int
    cost_usd: float
    retries: int
    seconds: float | None


@dataclass(frozen=True)
class Cached:
    """Answers from the program's own cache.

    Attributes:
        saved_usd: What the calls would have cost whose price is known; None: of none.
        unknown: Answers whose saving is not known, or in part.
    """

    feature: str | None
    model: str | None
    provider: str | None
    answers: int
    saved_usd: float | None
    unknown: int


@dataclass(frozen=True)
class Mix:
    """What one model was used for in the window: chats only."""

    provider: str | None
    model: str | None
    service_tier: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None


@dataclass(frozen=True)
class Optimise:
    """What the page shows."""

    bloated: list[Bloated]
    prefixes: list[Prefix]
    wasted: list[Wasted]
    cached: list[Cached]


def optimise(reader: Reader) -> Optimise:
    """Read all of it."""
    return Optimise(
        reader.rows(_BLOATED, Bloated, bloated=BLOATED, least=_LEAST_CALLS),
        reader.rows(_PREFIXES, Prefix, least=_LEAST_CALLS),
        reader.rows(_WASTED, Wasted),
        reader.rows(
            _CACHED,
            Cached,
            cached=semconv.CACHED_ANSWER,
            amount=f'$."{semconv.SAVED_AMOUNT}"',
            status=f'$."{semconv.SAVED_STATUS}"',
        ),
    )


def mix(reader: Reader) -> list[Mix]:
    """What the chats of the window used, by model."""
    return reader.rows(_MIX, Mix)


# `llm_otel.cost`, or the same of other prices.
Price = Callable[..., Any]


@dataclass(frozen=True)
class WhatIf:
    """The same tokens on another model, USD; `incomplete`: a part has no price."""

    provider: str
    model: str
    cost_usd: float
    incomplete: bool


def what_if(
    mix: Iterable[Mix], candidates: Iterable[tuple[str, str]], price: Price
) -> list[WhatIf]:
    """What the window's chats would have cost on each (provider, model), the cheapest first.

    The same number of tokens is assumed (tokenizers differ by some 10 to 20 %), and the same part
    of them cached, at the other model's rate for it. A model without a price is left out.
    """
    used = list(mix)
    estimates = []
    for provider, model in candidates:
        costs = [
            price(
                {
                    "input_tokens": row.input_tokens,
                    "output_tokens": row.output_tokens,
                    "cache_read_tokens": min(row.cached_tokens, row.input_tokens),
                },
                model=model,
                provider=provider,
                requests=row.calls,
            )
            for row in used
        ]
        if costs and all(cost is not None for cost in costs):
            total = sum(cost.total for cost in costs)
            estimates.append(WhatIf(provider, model, total, any(c.incomplete for c in costs)))
    return sorted(estimates, key=lambda row: row.cost_usd)


def caching_saves(prefix: Prefix, price: Price) -> float | None:
    """USD that caching the repeated prefix would have saved, or more; None without a price.

    Every repeat that read nothing from the cache would have read `PREFIX_TOKENS` of it at the
    rate for cached input. The true prefix is often longer; providers ask for a least length.
    """
    tokens = prefix.repeats * PREFIX_TOKENS
    options = {
        "model": prefix.model,
        "provider": prefix.provider,
        "requests": max(prefix.repeats, 1),
    }
    full = price({"input_tokens": tokens}, **options)
    cached = price({"input_tokens": tokens, "cache_read_tokens": tokens}, **options)
    if full is None or cached is None:
        return None
    return max(0.0, float(full.total - cached.total))


@dataclass(frozen=True)
class Savings:
    """What the page of savings adds up to.

    Attributes:
        failed_usd: What calls cost that failed.
        caching_usd: What caching repeated prefixes would save at least.
        bloated: How many prompts read much and write little.
        bloated_usd: What these cost.
    """

    failed_usd: float
    caching_usd: float
    bloated: int
    bloated_usd: float


# In one pass, what `_WASTED` and `_BLOATED` list.
_SAVINGS: Final = """
    SELECT sum(failed) AS failed_usd, 0.0 AS caching_usd,
        count(*) FILTER (bloated) AS bloated,
        coalesce(sum(cost) FILTER (bloated), 0) AS bloated_usd
    FROM (SELECT coalesce(sum(cost_usd) FILTER (status <> 'ok'), 0) AS failed,
            sum(cost_usd) FILTER (answered) AS cost,
            sum(input_tokens) FILTER (answered) / greatest(sum(output_tokens) FILTER (answered), 1)
                > $bloated AND count(*) FILTER (answered) >= $least AS bloated
        FROM (SELECT *, status = 'ok' AND operation <> 'embeddings' AND input_tokens > 0 AS answered
            FROM {calls})
        GROUP BY hash(feature, prompt_name, prompt_version, model))
"""


def savings(reader: Reader, price: Price) -> Savings:
    """Add up what `optimise` lists."""
    sums = reader.one(_SAVINGS, Savings, bloated=BLOATED, least=_LEAST_CALLS)
    prefixes = reader.rows(_PREFIXES, Prefix, least=_LEAST_CALLS)
    return replace(sums, caching_usd=sum(caching_saves(row, price) or 0 for row in prefixes))
