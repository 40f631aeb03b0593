"""Scores of answers: an event for the trace, a metric for the dashboards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from llm_otel import semconv
from llm_otel.base import arguments, guard
from llm_otel.core.verdicts import Subject

_CALL = "score()"
_UNIT = (0.0, 1.0)


class _Reading(NamedTuple):
    """What a value says.

    Attributes:
        score: From 0 to 1; None where there is no number: not evaluated, or a category.
        raw: The number on its scale, where that is another one than 0 to 1.
        scale: That scale, from the worst to the best.
        category: The value itself, where it is a category.
    """

    score: float | None = None
    raw: float | None = None
    scale: tuple[float, float] | None = None
    category: str | None = None


def score(
    name: str,
    value: float | str | None,
    *,
    scale: tuple[float, float] | None = None,
    labels: Mapping[str, float] | None = None,
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

    Never raises for a value: a score that cannot be read (not on its scale, no name) is left out
    with one warning, and so is any other argument of a wrong form.

    Args:
        name: What was judged, one of few names: `relevance`, `thumbs`.
        value: A number on the scale; True (1) or False (0); a category, as a string; or None where
            the answer was not evaluated: that is an event without a value, and not in the metric.
        scale: The worst and the best number, 0 and 1 where it is left out. Event and metric have
            the value between 0 and 1, the event also the number and the scale.
        labels: The number of each category, on the scale. A category without one is on the event
            as its label, and not in the metric.
        label: The verdict in a word: `pass`, `relevant`; a category is its own.
        explanation: Why; content, so recorded only when content may be put on events.
        trace_id: Trace of the answer's span, as 32 hex digits or an int.
        span_id: The answer's span, as 16 hex digits or an int; needs `trace_id`.
        response_id: The provider's id of the answer.
        model: The requested model.
        feature: Feature that the answer was made for.
        tenant_id: Tenant that the answer was made for.
    """
    try:
        judged = _judged(name)
        reading = _read(value, scale, labels)
        if judged is None or reading is None:
            return
        verdict = arguments.text(_CALL, "label", label) or reading.category
        reason = arguments.content(_CALL, "explanation", explanation)
        subject = Subject.of(
            _CALL,
            trace_id=trace_id,
            span_id=span_id,
            response_id=response_id,
            model=model,
            feature=feature,
            tenant_id=tenant_id,
        )
        _emit(subject, judged, reading, verdict, reason)
    except Exception as exc:  # noqa: BLE001
        guard.handle("score", exc)


def _judged(name: object) -> str | None:
    if not arguments.is_given(name):
        arguments.leave_out(_CALL, "a score", "it has no name")
    return arguments.text(_CALL, "name", name)


def _read(
    value: object, scale: tuple[float, float] | None, labels: Mapping[str, float] | None
) -> _Reading | None:
    """The value as a score; None where it cannot be read."""
    if isinstance(value, Enum) and not isinstance(value, (str, int)):
        value = value.value
    if value is None:
        return _Reading()
    if isinstance(value, bool):
        return _Reading(float(value))
    if not isinstance(value, str):
        return _on_scale(value, scale)
    category = arguments.text(_CALL, "value", value)
    if category is None:
        arguments.leave_out(_CALL, "value", "it is an empty or too long category")
        return None
    if labels is None:
        return _Reading(category=category)
    numbers = {name: item for name, _, item in arguments.items(_CALL, "labels", labels)}
    if category not in numbers:
        arguments.leave_out(_CALL, "the number of a category", "`labels` does not have it")
        return _Reading(category=category)
    return (_on_scale(numbers[category], scale) or _Reading())._replace(category=category)


def _on_scale(value: object, scale: tuple[float, float] | None) -> _Reading | None:
    """A number between the ends of the scale, as a part of it; never clipped."""
    worst, best = _UNIT
    if scale is not None:
        ends = _ends(scale)
        if ends is None:
            arguments.leave_out(_CALL, "scale", "it is not two different numbers: worst, best")
            return None
        worst, best = ends
    raw = arguments.number(_CALL, "value", value, low=min(worst, best), high=max(worst, best))
    if raw is None:
        return None
    if (worst, best) == _UNIT:
        return _Reading(raw)
    return _Reading((raw - worst) / (best - worst), raw, (worst, best))


def _ends(scale: object) -> tuple[float, float] | None:
    try:
        worst, best = (float(end) for end in scale)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - anything may come here
        return None
    usable = worst != best and math.isfinite(best - worst) and not isinstance(scale, (str, bytes))
    return (worst, best) if usable else None


def _emit(
    subject: Subject, name: str, reading: _Reading, label: str | None, explanation: str | None
) -> None:
    from llm_otel.core import runtime
    from llm_otel.core.metrics import feedback

    active = runtime.get()
    if reading.score is not None:
        feedback.score(
            active.instruments.table,
            name,
            subject.model,
            subject.feature,
            subject.tenant_id,
            reading.score,
        )
    if explanation is not None:
        explanation = active.policy.text(explanation) if active.policy.event else None
    worst, best = reading.scale or (None, None)
    attributes = {
        semconv.EVALUATION_NAME: name,
        semconv.EVALUATION_SCORE_VALUE: reading.score,
        semconv.EVALUATION_SCORE_LABEL: label,
        semconv.EVALUATION_EXPLANATION: explanation,
        semconv.EVALUATION_RAW_VALUE: reading.raw,
        semconv.EVALUATION_SCALE_WORST: worst,
        semconv.EVALUATION_SCALE_BEST: best,
    }
    subject.emit(active.logger, semconv.EVENT_EVALUATION, attributes)
