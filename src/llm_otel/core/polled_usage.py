"""Decides which usage a call counts, and for whom: what is polled is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel import semconv

if TYPE_CHECKING:
    from llm_otel.core.ledger import Ledger
    from llm_otel.core.metrics.calls import CallMetrics
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.record import Record
    from llm_otel.usage import Usage


def countable(record: Record, ledger: Ledger, calls: CallMetrics) -> tuple[Usage | None, Series]:
    """The usage that the end of a call counts, and whose it is.

    Work in the background reports its usage with every poll. It is counted once, for who began it.

    Args:
        record: What the call left.
        ledger: Who began what is polled.
        calls: Gives the series.
    """
    series, endpoint, answer = record.series, record.endpoint, record.answer
    if not (endpoint.polled or answer.background):
        if answer.usage is None and endpoint.resumable and answer.response_id:
            # Cut off: a poll may see what it used.
            ledger.begin(answer.response_id, series.labels)
        return answer.usage, series
    key = answer.response_id
    # A response in the foreground was counted when it was made, unless that was cut off.
    foreground = endpoint.resumable and not answer.background
    if key is None or not answer.terminal:
        if key is not None and not foreground:
            ledger.begin(key, series.labels)
        return None, series
    if answer.usage is None or (foreground and not ledger.awaits(key)):
        return None, series
    claimed, begun_by = ledger.claim(key)
    series = calls.series(**begun_by) if begun_by else series
    return (answer.usage if claimed else None), _named(series, answer.model, calls)


def _named(series: Series, model: str | None, calls: CallMetrics) -> Series:
    """The series, under the model that the answer names when the request named none."""
    if model is None or series.labels[semconv.MODEL] != semconv.NONE:
        return series
    return calls.series(**{**series.labels, semconv.MODEL: model})
