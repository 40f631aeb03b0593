"""A call's usage to its cost, into the metrics: now, or when the price table is there."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.core import guard

if TYPE_CHECKING:
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.core.extract import Answer
    from llm_otel.pricing import Cost

# Providers that report what they bill in `usage.cost` (USD).
_TELL_COST = frozenset({"openrouter"})


def bill(call: Call, answer: Answer, ended: Ended) -> None:
    """Price `ended.used`: now, so that the span has it too, or as soon as can be."""
    runtime, used = call.runtime, ended.used
    if used is None:
        return
    provider, model = call.server.provider, _model(call, answer)
    if answer.cost_usd is not None and provider in _TELL_COST:
        ended.cost, ended.priced = _told(answer.cost_usd), True
        return
    tier = answer.service_tier or call.endpoint.service_tier
    host, seconds, requests = call.server.netloc, ended.seconds, answer.requests

    def price(when: datetime | None = None) -> Cost | None:
        return runtime.pricing.cost(
            provider,
            model,
            used,
            service_tier=tier,
            host=host,
            when=when,
            duration_s=seconds,
            requests=requests,
        )

    if runtime.pricing.ready:
        ended.cost, ended.priced = price(), True
        return
    when, epoch, series = datetime.now(timezone.utc), runtime.instruments.epoch, ended.used_by

    def later() -> None:
        if runtime.instruments.epoch != epoch:
            return  # a fork lies between: the parent counts it
        try:
            runtime.instruments.cost(series, price(when))
        except Exception as exc:  # noqa: BLE001
            guard.handle("deferred price", exc)

    runtime.pricing.defer(later)


def bill_time(call: Call, answer: Answer, ended: Ended) -> None:
    """Price a call that reported no usage, where a machine is paid by the hour."""
    ended.cost = call.runtime.pricing.time_cost(
        call.server.provider, _model(call, answer), call.server.netloc, ended.seconds
    )
    ended.priced = ended.cost is not None


def _model(call: Call, answer: Answer) -> str | None:
    """The model that answered, else the one asked for."""
    if answer.model is None and call.model != semconv.NONE:
        return call.model
    return answer.model


def _told(amount: float) -> Cost:
    from llm_otel.pricing import Cost

    return Cost(0.0, 0.0, amount, semconv.COST_FROM_PROVIDER)
