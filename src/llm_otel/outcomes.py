"""Outcomes of interactions: did they do what they were for, and what was that worth."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.core import arguments, guard
from llm_otel.core.verdicts import Subject


def outcome(
    *,
    success: bool,
    kind: str = semconv.NONE,
    value_usd: float | None = None,
    trace_id: str | int | None = None,
    span_id: str | int | None = None,
    response_id: str | None = None,
    feature: str | None = None,
    tenant_id: str | None = None,
) -> None:
    """Record how an interaction ended: event `llm_otel.outcome` and the outcome metrics.

    Without ids the outcome is about the current span, and takes feature and tenant from the
    attribution. With any id it comes from elsewhere, and knows only what it is told.

    Args:
        success: Whether the interaction did what it was for.
        kind: What it was for, one of few names: `ticket_resolved`, `order`.
        value_usd: What it brought, in USD, from 0 on; counted only when given.
        trace_id: Trace of the interaction, as 32 hex digits or an int.
        span_id: Its span, as 16 hex digits or an int; needs `trace_id`.
        response_id: The provider's id of the answer that decided.
        feature: Feature that the interaction belongs to.
        tenant_id: Tenant that it was made for.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The value is negative or not finite, or an id has the wrong form.
    """
    call = "outcome()"
    if not isinstance(success, bool):
        raise TypeError(f"{call}: success must be True or False, not {type(success).__name__}.")
    purpose = arguments.text(call, "kind", kind) or semconv.NONE
    value = None if value_usd is None else arguments.number(call, "value_usd", value_usd)
    subject = Subject.of(
        call,
        trace_id=trace_id,
        span_id=span_id,
        response_id=response_id,
        feature=feature,
        tenant_id=tenant_id,
    )
    try:
        _emit(subject, success, purpose, value)
    except Exception as exc:  # noqa: BLE001
        guard.handle("outcome", exc)


def _emit(subject: Subject, success: bool, kind: str, value: float | None) -> None:
    from llm_otel.core import runtime

    active = runtime.get()
    active.instruments.outcome(success, kind, subject.feature, subject.tenant_id, value)
    attributes = {
        semconv.OUTCOME_SUCCESS: success,
        semconv.OUTCOME_KIND: None if kind == semconv.NONE else kind,
        semconv.OUTCOME_VALUE: value,
    }
    subject.emit(active.logger, semconv.EVENT_OUTCOME, attributes)
