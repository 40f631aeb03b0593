"""A call's usage to its cost, into the metrics: now, or when the price table is there."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.core import guard

if TYPE_CHECKING:
    from llm_otel.core.call import Call
    from llm_otel.core.extract import Answer
    from llm_otel.core.instruments import Series
    from llm_otel.core.runtime import Runtime
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

# Providers that report what they bill in `usage.cost` (USD).
_TELL_COST = frozenset({"openrouter"})


def bill(call: Call, answer: Answer, used: Usage, series: Series, seconds: float) -> Cost | None:
    """Count the cost of a usage; returns it when it is known at once."""
    runtime = call.runtime
    if answer.cost_usd is not None and call.server.provider in _TELL_COST:
        return _told(runtime, series, answer.cost_usd)
    model = answer.model
    if model is None and call.model != semconv.NONE:
        model = call.model
    pricing = runtime.pricing
    price = partial(
        pricing.cost,
        call.server.provider,
        model,
        used,
        service_tier=answer.service_tier or call.endpoint.service_tier,
        host=call.server.netloc,
        duration_s=seconds,
        requests=answer.requests,
    )
    if pricing.ready:
        found = price()
        runtime.instruments.later(runtime.instruments.cost, series, found)
        return found
    when, epoch = datetime.now(timezone.utc), runtime.instruments.epoch

    def later() -> None:
        if runtime.instruments.epoch != epoch:
            return  # a fork lies between: the parent counts it
        try:
            runtime.instruments.cost(series, price(when=when))
        except Exception as exc:  # noqa: BLE001
            guard.handle("deferred price", exc)

    pricing.defer(later)
    return None


def _told(runtime: Runtime, series: Series, amount: float) -> Cost:
    from llm_otel.pricing import Cost

    cost = Cost(0.0, 0.0, amount, semconv.COST_FROM_PROVIDER)
    runtime.instruments.later(runtime.instruments.cost, series, cost)
    return cost
