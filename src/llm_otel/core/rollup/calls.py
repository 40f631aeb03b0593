"""What a call adds to the workflows and agents around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import Context

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.core.rollup.sums import Rollup, innermost

if TYPE_CHECKING:
    from llm_otel.core.metrics.measurement import Bill
    from llm_otel.core.metrics.table import InstrumentTable
    from llm_otel.core.record import Record

_INFERENCE = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT})
# A call that ended in one of these may have been billed, and nobody tells how much.
_CUT_OFF = frozenset({semconv.CANCELLED, semconv.TIMEOUT})


def begin(context: Context) -> Rollup | None:
    """A call begins: the roll-up that it will be added to, None outside all steps."""
    rollup = innermost(context)
    if rollup is not None:
        rollup.call_begins()
    return rollup


def add(record: Record, bill: Bill, table: InstrumentTable) -> None:
    """A call has ended: add it to the steps around it, and what it used to those of who used it.
    A failure of ours is counted and goes no further.

    Args:
        record: What the call left.
        bill: What it is billed for, and by whom.
        table: Counts calls that ended after a step around them.
    """
    if record.rollup is None and bill.rollup is None:
        return
    try:
        _add(record, bill, table)
    except Exception as problem:  # noqa: BLE001
        guard.handle("roll up", problem)


def _add(record: Record, bill: Bill, table: InstrumentTable) -> None:
    own, user = record.rollup, bill.rollup
    # Who began work in the background may have been in another step, or outside all steps.
    if user is not None:
        _add_usage(user, record, bill)
    # Last, as the sums are known to be incomplete until the call has ended.
    if own is not None:
        failed = record.failure.kind is not None
        if own.call_ends(failed, record.endpoint.operation in _INFERENCE):
            table.count(semconv.ROLLUP_LATE, 1)


def _add_usage(user: Rollup, record: Record, bill: Bill) -> None:
    used, unsettled = bill.used, bill.unsettled
    if used is not None or bill.priced:
        user.add_usage(used, bill.cost, bill.priced)
    if used is None:
        cut_off = record.failure.kind in _CUT_OFF and record.endpoint.billed
        # What is awaited is not unknown for good.
        unknown = (bill.usage_unknown or cut_off) and not unsettled
    else:
        unknown = used.partial or record.answer.usage_source == semconv.USAGE_ESTIMATED
        if not bill.priced:
            unsettled += 1
    if unknown or unsettled:
        user.add_marks(unknown, unsettled)
