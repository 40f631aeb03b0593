"""Calls of which a span of somebody else's tells, counted as those that we see ourselves."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.context import Context

from llm_otel import semconv
from llm_otel.core import billing
from llm_otel.core.metrics.measurement import Bill, Measurement
from llm_otel.foreign.names.providers import DEFAULT_PROVIDER, maker_of, without_router
from llm_otel.foreign.usage import GENERATING, INPUT_ONLY
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.runtime import Runtime
    from llm_otel.foreign.reading import Reading
    from llm_otel.pricing import Cost, Pricing

# Operations whose usage a provider reports as tokens: one that is not told is unknown.
_IN_TOKENS = frozenset({*GENERATING, *INPUT_ONLY} - {semconv.FETCH_RESPONSE, semconv.RERANK})
# Where two prices of one call differ by less, they are the same price.
_ROUNDING = 0.01


def count(reading: Reading, seconds: float, context: Context, runtime: Runtime) -> None:
    """Count a call in the product's metrics.

    Args:
        reading: What its span tells.
        seconds: Duration of the call.
        context: Holds the span that the exemplar leads to.
        runtime: Where to count, and by which prices.
    """
    series = series_of(reading, runtime)
    runtime.instruments.calls.begun(series)
    bill = _bill(reading, series, seconds, runtime)
    first_chunk, error = reading.first_chunk_s, reading.error
    runtime.instruments.backlog.put(
        Measurement(series, context, seconds, first_chunk, error, None, None, bill, None, ())
    )


def count_usage(reading: Reading, seconds: float, runtime: Runtime) -> None:
    """Count what a call used that is counted already: a span around its own knows that alone."""
    series = series_of(reading, runtime)
    bill = _bill(reading, series, seconds, runtime)
    calls = runtime.instruments.calls
    if bill.used is not None:
        calls.used(series, bill.used)
    if bill.priced:
        calls.cost(series, bill.cost)
    calls.settle()


def series_of(reading: Reading, runtime: Runtime) -> Series:
    """The labels of a call, those of a wrong form folded."""
    model = reading.model or semconv.NONE
    provider = reading.provider or maker_of(model) or semconv.NONE
    return runtime.instruments.calls.series(
        model,
        provider,
        reading.operation,
        _label(semconv.FEATURE, reading.feature),
        _label(semconv.TENANT_ID, reading.tenant_id),
    )


def _label(name: str, value: str | None) -> str:
    if value is None:
        return semconv.NONE
    return value if semconv.well_formed(name, value) else semconv.OTHER


def _bill(reading: Reading, series: Series, seconds: float, runtime: Runtime) -> Bill:
    usage = usage_of(reading)
    if usage is None:
        sender_cost = reading.cost_usd
        cost = None if not sender_cost else _told_cost(sender_cost)
        unknown = reading.operation in _IN_TOKENS and reading.error is None
        return Bill(None, series, cost, cost is not None, unknown)
    pricing = runtime.pricing
    price = partial(cost_of, reading, usage, seconds, pricing)
    if pricing.ready:
        return Bill(usage, series, price(), True)
    instruments, when = runtime.instruments, datetime.now(timezone.utc)
    later = partial(
        billing.count_cost, instruments, instruments.epoch, series, None, partial(price, when=when)
    )
    pricing.start()
    pricing.defer(later)
    return Bill(usage, series)


def usage_of(reading: Reading) -> Usage | None:
    """The usage, as far as it is told and adds up; None where none is told."""
    if not reading.is_used:
        return None
    inputs, outputs, cache_read, cache_write, reasoning = (each or 0 for each in reading.usage)
    if cache_read > inputs or cache_write > inputs or reasoning > outputs:
        return Usage(inputs, outputs, partial=True)
    return Usage(
        inputs,
        outputs,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        partial=reading.is_partial,
    )


def cost_of(
    reading: Reading,
    usage: Usage,
    seconds: float,
    pricing: Pricing,
    when: datetime | None = None,
) -> Cost | None:
    """What a call cost: what its span says, else what the price list says. The list's where both
    say the same, as it tells input and output apart."""
    list_price = None
    if reading.model is not None and not usage.partial:
        model = reading.response_model or reading.model
        provider = reading.provider or maker_of(model) or DEFAULT_PROVIDER
        list_price = pricing.cost(
            provider,
            without_router(model),
            usage,
            service_tier=reading.service_tier,
            when=when,
            duration_s=seconds,
        )
    sender_cost = reading.cost_usd
    if sender_cost is None or (
        list_price and abs(list_price.total - sender_cost) <= _ROUNDING * sender_cost
    ):
        return list_price
    return _told_cost(sender_cost)


def _told_cost(usd: float) -> Cost:
    from llm_otel.pricing import Cost

    return Cost(0.0, 0.0, usd, semconv.COST_FROM_PROVIDER, incomplete=False)
