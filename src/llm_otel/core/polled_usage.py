"""Decides which usage a call counts, and for whom: what is polled is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from llm_otel import semconv
from llm_otel.core.ledger import Beginning

if TYPE_CHECKING:
    from llm_otel.core.ledger import Ledger
    from llm_otel.core.metrics.calls import CallMetrics
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.record import Record
    from llm_otel.core.rollup.sums import Rollup
    from llm_otel.usage import Usage


class Countable(NamedTuple):
    """The usage that the end of a call counts, and whose it is.

    Attributes:
        usage: None for none.
        series: Of the call that began the work.
        rollup: Of the step around that call.
        unsettled: 1 where a poll may tell the usage later, -1 where it tells what was awaited.
    """

    usage: Usage | None
    series: Series
    rollup: Rollup | None
    unsettled: int = 0


def countable(record: Record, ledger: Ledger, calls: CallMetrics) -> Countable:
    """The usage that the end of a call counts, and whose it is.

    Work in the background reports its usage with every poll. It is counted once, for who began it.

    Args:
        record: What the call left.
        ledger: Who began what is polled.
        calls: Gives the series.
    """
    series, endpoint, answer = record.series, record.endpoint, record.answer
    rollup, key = record.rollup, answer.response_id
    beginning, unsettled = Beginning(series.labels, rollup), False
    if not (endpoint.polled or answer.background):
        if answer.usage is None and endpoint.resumable and key:
            # Cut off: a poll may see what it used.
            unsettled = ledger.begin(key, beginning)
        return Countable(answer.usage, series, rollup, int(unsettled))
    # A response in the foreground was counted when it was made, unless that was cut off.
    foreground = endpoint.resumable and not answer.background
    if key is None or not answer.terminal:
        if key is not None and not foreground:
            unsettled = ledger.begin(key, beginning)
        return Countable(None, series, rollup, int(unsettled))
    if answer.usage is None or (foreground and not ledger.awaits(key)):
        return Countable(None, series, rollup)
    claimed, begun_by = ledger.claim(key)
    if begun_by is not None:
        series, rollup = calls.series(**begun_by.labels), begun_by.rollup
    usage = answer.usage if claimed else None
    settled = -1 if begun_by is not None else 0
    return Countable(usage, _named(series, answer.model, calls), rollup, settled)


def _named(series: Series, model: str | None, calls: CallMetrics) -> Series:
    """The series, under the model that the answer names when the request named none."""
    if model is None or series.labels[semconv.MODEL] != semconv.NONE:
        return series
    return calls.series(**{**series.labels, semconv.MODEL: model})
