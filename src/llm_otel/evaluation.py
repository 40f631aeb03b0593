"""Scores of answers: an event for the trace, a metric for the dashboards."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.core import arguments, guard
from llm_otel.core.verdicts import Subject


def score(
    name: str,
    value: float,
    *,
    label: str | None = None,
    explanation: str | None = None,
    trace_id: str | int | None = None,
    span_id: str | int | None = None,
    response_id: str | None = None,
    model: str | None = None,
    feature: str | None = None,
    tenant_id: str | None = None,
) -> None:
    """Record how good an answer was: event `gen_ai.evaluation.result` and the score metric.

    Without ids the score is about the current span, and takes model, feature and tenant from there.
    With any id it comes from elsewhere, and knows only what it is told.

    Args:
        name: What was judged, one of few names: `relevance`, `thumbs`.
        value: From 0 (worst) to 1 (best); a bool is 0 or 1.
        label: The verdict in a word: `pass`, `relevant`.
        explanation: Why; content, so recorded only when content may be put on events.
        trace_id: Trace of the answer's span, as 32 hex digits or an int.
        span_id: The answer's span, as 16 hex digits or an int; needs `trace_id`.
        response_id: The provider's id of the answer.
        model: The requested model.
        feature: Feature that the answer was made for.
        tenant_id: Tenant that the answer was made for.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The value is not between 0 and 1, or an id has the wrong form.
    """
    call = "score()"
    if not isinstance(name, str) or not name:
        raise TypeError(f"{call}: name must be a string that says what was judged.")
    number = arguments.number(call, "value", value, high=1)
    verdict = arguments.text(call, "label", label)
    reason = arguments.text(call, "explanation", explanation)
    subject = Subject.of(
        call,
        trace_id=trace_id,
        span_id=span_id,
        response_id=response_id,
        model=model,
        feature=feature,
        tenant_id=tenant_id,
    )
    try:
        _emit(subject, name, number, verdict, reason)
    except Exception as exc:  # noqa: BLE001
        guard.handle("score", exc)


def _emit(
    subject: Subject, name: str, value: float, label: str | None, explanation: str | None
) -> None:
    from llm_otel.core import runtime

    active = runtime.get()
    active.instruments.score(name, subject.model, subject.feature, subject.tenant_id, value)
    if explanation is not None:
        explanation = active.policy.text(explanation) if active.policy.event else None
    attributes = {
        semconv.EVALUATION_NAME: name,
        semconv.EVALUATION_SCORE_VALUE: value,
        semconv.EVALUATION_SCORE_LABEL: label,
        semconv.EVALUATION_EXPLANATION: explanation,
    }
    subject.emit(active.logger, semconv.EVENT_EVALUATION, attributes)
