"""The row of `calls` that the attributes of a span give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import llm_otel
from llm_otel import semconv
from llm_otel.lake.decode.names import CONTENT
from llm_otel.lake.decode.names.providers import maker_of, without_router
from llm_otel.lake.decode.quantities import flag
from llm_otel.lake.decode.usage import is_partial
from llm_otel.lake.decode.values import text

LOCAL: Final = "local"
NO_COST: Final = (None, None, False)
_UNUSED: Final = [None, None]
PREFIX: Final = 1024

_CUT: Final = len(semconv.TAG_PREFIX)
# The columns of `USAGE`.
COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


# The columns that decide the price of a call.
PRICED_BY: Final = ("operation", "provider", "model", "response_model", *COUNTS)

_BILLED: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.COST_AMOUNT)


def details(
    attributes: Mapping[str, Any], numbers: Mapping[str, Any], usage: list[int | None]
) -> tuple[Any, ...]:
    """The columns of a call from `finish_reasons` on that are read from attributes alone:

    first_chunk_s, the five token counts, cost_usd, cost_source, streaming, service_tier, retries,
    prompt_name, prompt_version, prefix_hash, cost_status.

    Args:
        attributes: Of the span, under the names of today.
        numbers: Those that are numbers, as of `quantities.numbers`.
        usage: As of `usage.usage_of`.
    """
    get = attributes.get
    amount, source = numbers.get(semconv.COST_AMOUNT), get(semconv.COST_SOURCE)
    incomplete = get(semconv.COST_STATUS) == semconv.COST_INCOMPLETE
    partial = is_partial(usage, get(semconv.OPERATION_NAME)) or any(
        get(name) not in (None, "") and name not in numbers for name in _BILLED
    )
    if amount is None:
        model = get(semconv.RESPONSE_MODEL) or get(semconv.REQUEST_MODEL)
        operation, provider = get(semconv.OPERATION_NAME), get(semconv.PROVIDER_NAME)
        amount, source, incomplete = local_cost(operation, provider, model, usage)
    elif str(get(semconv.COST_CURRENCY, "USD")).upper() != "USD":
        amount, source, incomplete = NO_COST
    return (
        numbers.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK),
        *usage,
        amount,
        source,
        flag(get(semconv.REQUEST_STREAM)),
        get(semconv.OPENAI_RESPONSE_SERVICE_TIER) or get(semconv.OPENAI_REQUEST_SERVICE_TIER),
        numbers.get(semconv.HTTP_RESEND_COUNT),
        get(semconv.PROMPT_NAME),
        get(semconv.PROMPT_VERSION),
        prefix_hash(attributes.get(CONTENT[2]), attributes.get(CONTENT[0])),
        cost_status(amount is not None, incomplete, get(semconv.USAGE_SOURCE), usage, partial),
    )


def cost_status(
    priced: bool, incomplete: bool, usage_source: object, usage: list[int | None], partial: bool
) -> str | None:
    """What is wrong with the cost of a call; None where nothing is, or nothing was billed.

    Args:
        priced: Whether it has a cost.
        incomplete: Whether a part of the usage has no price.
        usage_source: Who counted the tokens.
        usage: The counts.
        partial: Whether a part of what was billed is missing or cannot be read.
    """
    if incomplete:
        return semconv.COST_INCOMPLETE
    if usage_source == semconv.USAGE_ESTIMATED:
        return semconv.USAGE_ESTIMATED if priced else semconv.COST_UNPRICED
    if priced:
        return None
    if usage_source == semconv.USAGE_UNKNOWN or partial:
        return semconv.USAGE_UNKNOWN
    return semconv.COST_UNPRICED if usage[0] or usage[1] else None


def tags(attributes: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """The tags of a span, None where it has none."""
    found = [
        (name[_CUT:], value if isinstance(value, str) else text(value))
        for name, value in attributes.items()
        if name.startswith(semconv.TAG_PREFIX)
    ]
    return found or None


def local_cost(
    operation: object, provider: object, model: object, usage: list[int | None]
) -> tuple[float | None, str | None, bool]:
    """The cost of the usage by our prices, for a sender that did not say.

    Returns:
        USD and its source (None: not known), and whether a part of the usage has no price.
    """
    if not isinstance(model, str) or usage[:2] == _UNUSED or is_partial(usage, operation):
        return NO_COST
    inputs, outputs, read, written, reasoning = (count or 0 for count in usage)
    if read > inputs or written > inputs or reasoning > outputs:
        return NO_COST
    biller = provider if isinstance(provider, str) else maker_of(model)
    model = without_router(model)
    options = {} if biller is None else {"provider": biller}
    used = llm_otel.Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )
    cost = llm_otel.cost(used, model=model, **options)
    return NO_COST if cost is None else (cost.total, LOCAL, cost.incomplete)


def prefix_hash(system: Any, messages: Any) -> int | None:
    """A hash of the first characters of the captured input; None where there are fewer."""
    parts = [part if isinstance(part, str) else text(part) for part in (system, messages) if part]
    start = "".join(parts)[:PREFIX]
    if len(start) < PREFIX:
        return None
    digest = hashlib.blake2b(start.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
