"""A call's usage to its cost: now, or into the metrics when the price table is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.core import polled_usage
from llm_otel.core.metrics.measurement import Bill

if TYPE_CHECKING:
    from llm_otel.core.ledger import Ledger
    from llm_otel.core.metrics.instruments import Instruments
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.record import Record
    from llm_otel.core.rollup.sums import Rollup
    from llm_otel.pricing import Cost, Pricing
    from llm_otel.protocols.answer import Answer, ReportedCost
    from llm_otel.usage import Usage


def bill(record: Record, pricing: Pricing, ledger: Ledger, instruments: Instruments) -> Bill:
    """What a call is billed for. Its tokens count even where pricing them fails.

    Args:
        record: What the call left.
        pricing: Usage to cost.
        ledger: Who began what is polled.
        instruments: Where the cost goes that is not known yet.
    """
    answer, endpoint = record.answer, record.endpoint
    used, used_by, rollup, unsettled = polled_usage.countable(record, ledger, instruments.calls)
    cost, priced, usage_unknown = None, False, False
    try:
        if used is not None:
            count = partial(_count, instruments, instruments.epoch, used_by, rollup)
            cost, priced = _price(record, used, pricing, count)
        elif not endpoint.billed:
            pass
        elif answer.cost is not None and answer.cost.known:
            # Pictures and the like have a price and no tokens.
            usage_unknown = endpoint.in_tokens
            cost, priced = _cost(answer.cost), True
        elif record.failure.kind is None and not answer.background:
            usage_unknown = True
            server = record.server
            cost = pricing.time_cost(
                server.provider, _model(answer, record.model), server.netloc, record.seconds
            )
            priced = cost is not None
    except Exception as problem:  # noqa: BLE001
        guard.handle("count", problem)
    return Bill(used, used_by, cost, priced, usage_unknown, rollup, unsettled)


def _price(
    record: Record,
    used: Usage,
    pricing: Pricing,
    count: Callable[[Callable[[], Cost | None]], None],
) -> tuple[Cost | None, bool]:
    """The cost of a usage, and whether it is known by now; else it is handed to `count` later.

    What the provider itself reports wins over what its price list says. Where it reports a cost
    of 0 for what has a price, or leaves a part out, the list counts and the cost is incomplete.
    """
    answer, server = record.answer, record.server
    reported = answer.cost
    if reported is not None and reported.complete and reported.known:
        return _cost(reported), True
    # It may have to wait for the price table: nothing in it holds the bodies.
    price = partial(
        pricing.cost,
        server.provider,
        _model(answer, record.model),
        used,
        service_tier=answer.service_tier or record.endpoint.service_tier,
        host=server.netloc,
        duration_s=record.seconds,
        requests=answer.requests,
    )
    if reported is not None:
        price = partial(_doubted, price, reported, not server.dialect.gateway)
    if pricing.ready:
        return price(), True
    when = datetime.now(timezone.utc)
    pricing.defer(partial(count, partial(price, when=when)))
    return None, False


def _count(
    instruments: Instruments,
    epoch: int,
    series: Series,
    rollup: Rollup | None,
    price: Callable[[], Cost | None],
) -> None:
    """Count the cost of a call that ended before the price table was there."""
    if instruments.epoch != epoch:
        return  # a fork lies between: the parent counts it
    try:
        cost = price()
        instruments.calls.cost(series, cost)
        instruments.calls.settle()
        if rollup is not None:
            rollup.priced(cost)
    except Exception as exc:  # noqa: BLE001
        guard.handle("deferred price", exc)


def _doubted(
    price: Callable[..., Cost | None],
    reported: ReportedCost,
    zero_known: bool,
    when: datetime | None = None,
) -> Cost | None:
    """The cost where the provider reports one that is 0, or not the whole.

    Args:
        price: Gives the cost by the price list.
        reported: By the provider.
        zero_known: A reported 0 is free of charge; gateways send it for what they cannot price.
        when: Time of the request; None for now.
    """
    listed = price(when=when)
    if listed is None or not listed.total:
        known = reported.usd or (reported.complete and zero_known)
        return _cost(reported) if known else listed
    return replace(listed, incomplete=True)


def _model(answer: Answer, requested: str) -> str | None:
    """The model whose price counts: the one that answered, else the one asked for."""
    model = answer.price_model or answer.model
    return requested if model is None and requested != semconv.NONE else model


def _cost(reported: ReportedCost) -> Cost:
    from llm_otel.pricing import Cost

    return Cost(
        0.0, 0.0, reported.usd, semconv.COST_FROM_PROVIDER, incomplete=not reported.complete
    )
