"""Reads what a provider itself says that a call cost: in the answer, or in a response header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from llm_otel.clients.dialects import CostReport, Dialect
from llm_otel.core import headroom, read

# More than any call costs, in USD. A larger amount is a mistake or another unit.
_MOST_USD = 1_000.0


class ReportedCost(NamedTuple):
    """What a provider says that a call cost.

    Attributes:
        usd: The amount.
        complete: False where the caller's own key was used and nobody says what that cost.
    """

    usd: float
    complete: bool = True


def in_answer(nodes: Iterable[object], dialect: Dialect) -> ReportedCost | None:
    """The cost that one of the nodes reports: an answer, or parts of one.

    Args:
        nodes: Where to look, in this order.
        dialect: Where the provider reports it.
    """
    for node in nodes:
        for report in dialect.costs:
            cost = _read(node, report)
            if cost is not None:
                return cost
    return None


def in_headers(response: Any, dialect: Dialect) -> ReportedCost | None:
    """The cost that a response header reports.

    Gateways send 0 before they know, as for a stream, so that 0 counts as unknown.
    """
    for name in dialect.cost_headers:
        text = headroom.header(response, name)
        usd = _usd(read.amount(text)) if text is not None else None
        if usd:
            return ReportedCost(usd)
    return None


def _read(node: object, report: CostReport) -> ReportedCost | None:
    charge = read.amount(read.path(node, report.at))
    usd = _usd(charge * report.usd) if charge is not None else None
    if usd is None or not report.own_key or read.path(node, report.own_key) is not True:
        return None if usd is None else ReportedCost(usd)
    upstream = _usd(read.amount(read.path(node, report.upstream)))
    return ReportedCost(usd + (upstream or 0.0), complete=bool(upstream))


def _usd(value: float | None) -> float | None:
    """An amount that a call may have cost."""
    return value if value is not None and 0 <= value <= _MOST_USD else None
