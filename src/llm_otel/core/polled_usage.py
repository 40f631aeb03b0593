"""Decides which usage a call counts, and for whom: what is polled is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel import semconv

if TYPE_CHECKING:
    from llm_otel.core.call import Call
    from llm_otel.core.instruments import Series
    from llm_otel.protocols.answer import Answer
    from llm_otel.usage import Usage


def countable(call: Call, answer: Answer) -> tuple[Usage | None, Series]:
    """The usage that the end of a call counts, and whose it is.

    Work in the background reports its usage with every poll. It is counted once, for who began it.

    Args:
        call: The call that ends.
        answer: What it was answered. An estimate becomes its usage where the setting asks for one.
    """
    if not (call.endpoint.polled or answer.background):
        if answer.usage is None and call.characters is not None:
            answer.usage = call.characters.usage(call.request.body)
            answer.usage_source = semconv.USAGE_ESTIMATED
        if answer.usage is None and call.endpoint.resumable and answer.response_id:
            # Cut off: a poll may see what it used.
            call.runtime.ledger.begin(answer.response_id, call.series.labels)
        return answer.usage, call.series
    key, ledger = answer.response_id, call.runtime.ledger
    # A response in the foreground was counted when it was made, unless that was cut off.
    foreground = call.endpoint.resumable and not answer.background
    if key is None or not answer.terminal:
        if key is not None and not foreground:
            ledger.begin(key, call.series.labels)
        return None, call.series
    if answer.usage is None or (foreground and not ledger.awaits(key)):
        return None, call.series
    claimed, begun_by = ledger.claim(key)
    series = call.runtime.instruments.series(**begun_by) if begun_by else call.series
    return (answer.usage if claimed else None), _named(call, series, answer)


def _named(call: Call, series: Series, answer: Answer) -> Series:
    """The series, under the model that the answer names when the request named none."""
    labels = series.labels
    if labels[semconv.MODEL] != semconv.NONE or answer.model is None:
        return series
    return call.runtime.instruments.series(
        answer.model,
        labels[semconv.PROVIDER],
        labels[semconv.OPERATION],
        labels[semconv.FEATURE],
        labels[semconv.TENANT_ID],
    )
