"""Reads what a provider itself says that a call cost: in the answer, or in a response header."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from llm_otel.base import read
from llm_otel.protocols.answer import ReportedCost
from llm_otel.providers.dialects import CostReport, Dialect

# More than any call costs, in USD. A larger amount is a mistake or another unit.
_MOST_USD = 1_000.0

# What the name of every header that reports a cost holds.
_COST = re.compile(b"cost|spent", re.IGNORECASE)


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


def has_more(reported: object) -> bool:
    """Whether a usage holds keys that are not OpenAI's own."""
    if type(reported) is dict:
        return True
    return bool(getattr(reported, "__pydantic_extra__", None))


def in_response(
    answered: ReportedCost | None, response: Any, dialect: Dialect
) -> ReportedCost | None:
    """The cost that the answer reported, else the one that a response header reports.

    Gateways send a header of 0 before they know, as for a stream, so that 0 counts as unknown.

    Args:
        answered: As of `in_answer`.
        response: The HTTP response, of any kind.
        dialect: Which headers report a cost.
    """
    if answered is not None and not answered.sign:
        return answered
    if not dialect.cost_headers:
        return None
    raw = dict(getattr(getattr(response, "headers", None), "raw", ()))
    if answered is None and not _COST.search(b" ".join(raw)):
        return None  # nearly every answer of an unknown host
    headers = {name.lower(): value for name, value in raw.items()}
    usd = None
    for name in headers.keys() & dialect.cost_headers:
        usd = _usd(read.amount(headers[name].decode("latin-1"))) or usd
    if answered is not None and any(key.startswith(answered.sign) for key in headers):
        return answered
    return ReportedCost(usd) if usd else None


def _read(node: object, report: CostReport) -> ReportedCost | None:
    charge = read.amount(read.path(node, report.at))
    usd = _usd(charge * report.usd) if charge is not None else None
    if usd is None or (report.currency and not _in_usd(read.path(node, report.currency))):
        return None
    if not report.own_key or read.path(node, report.own_key) is not True:
        return ReportedCost(usd, sign=report.sign)
    upstream = _usd(read.amount(read.path(node, report.upstream)))
    return ReportedCost(usd + (upstream or 0.0), bool(upstream), report.sign)


def _in_usd(currency: object) -> bool:
    return currency is None or (isinstance(currency, str) and currency.upper() == "USD")


def _usd(value: float | None) -> float | None:
    """An amount that a call may have cost."""
    return value if value is not None and 0 <= value <= _MOST_USD else None
