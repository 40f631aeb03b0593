"""A call's usage to its cost, into the metrics: now, or when the price table is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.protocols import costs as reported_cost
from llm_otel.protocols.answer import ReportedCost

if TYPE_CHECKING:
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.pricing import Cost
    from llm_otel.protocols.answer import Answer


def bill(call: Call, answer: Answer, ended: Ended) -> None:
    """Price `ended.used`: now, so that the span has it too, or as soon as can be.

    What the provider itself reports wins over what its price list says. Where it reports a cost
    of 0 for what has a price, or leaves a part out, the list counts and the cost is incomplete.
    """
    runtime, used = call.runtime, ended.used
    if used is None:
        return
    provider, model = call.server.provider, _model(call, answer)
    reported = _reported_cost(call, answer)
    if reported is not None and reported.complete and reported.usd:
        ended.cost, ended.priced = _cost(reported), True
        return
    tier = answer.service_tier or call.endpoint.service_tier
    host, seconds, requests = call.server.netloc, ended.seconds, answer.requests

    def price(when: datetime | None = None) -> Cost | None:
        listed = runtime.pricing.cost(
            provider,
            model,
            used,
            service_tier=tier,
            host=host,
            when=when,
            duration_s=seconds,
            requests=requests,
        )
        if reported is None:
            return listed
        return _doubted(listed, reported, zero_known=not call.server.dialect.gateway)

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


def bill_reported(call: Call, answer: Answer, ended: Ended) -> bool:
    """Take the cost that the provider reports for a call without usage; False for none."""
    reported = _reported_cost(call, answer) if call.endpoint.billed else None
    if reported is None or not reported.usd:
        return False
    ended.cost, ended.priced = _cost(reported), True
    return True


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


def _reported_cost(call: Call, answer: Answer) -> ReportedCost | None:
    dialect = call.server.dialect
    if answer.cost is None and not dialect.cost_headers:
        return None
    return reported_cost.in_response(answer.cost, call.response, dialect)


def _doubted(listed: Cost | None, reported: ReportedCost, *, zero_known: bool) -> Cost | None:
    """The cost where the provider reports one that is 0, or not the whole.

    Args:
        listed: By the price list.
        reported: By the provider.
        zero_known: A reported 0 is free of charge; gateways send it for what they cannot price.
    """
    if listed is None or not listed.total:
        known = reported.usd or (reported.complete and zero_known)
        return _cost(reported) if known else listed
    return replace(listed, incomplete=True)


def _cost(reported: ReportedCost) -> Cost:
    from llm_otel.pricing import Cost

    return Cost(
        0.0, 0.0, reported.usd, semconv.COST_FROM_PROVIDER, incomplete=not reported.complete
    )
