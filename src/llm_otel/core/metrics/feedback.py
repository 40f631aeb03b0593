"""How scores and outcomes are counted."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR
from llm_otel.core.metrics.table import InstrumentTable


def score(
    table: InstrumentTable, evaluation: str, model: str, feature: str, tenant_id: str, value: float
) -> None:
    """Record an evaluation score between 0 and 1."""
    fold = table.labels.fold
    attributes = {
        semconv.EVALUATION: fold(semconv.EVALUATION, evaluation),
        semconv.MODEL: fold(semconv.MODEL, model),
        semconv.FEATURE: fold(semconv.FEATURE, feature),
        semconv.TENANT_ID: fold(semconv.TENANT_ID, tenant_id),
    }
    table.histogram(semconv.EVALUATION_SCORE).record(value, attributes, NO_EXEMPLAR)


def outcome(
    table: InstrumentTable,
    success: bool,
    kind: str,
    feature: str,
    tenant_id: str,
    value_usd: float | None,
) -> None:
    """Count an outcome, and its value in USD where one is given."""
    fold = table.labels.fold
    labels = {
        semconv.KIND: fold(semconv.KIND, kind),
        semconv.FEATURE: fold(semconv.FEATURE, feature),
        semconv.TENANT_ID: fold(semconv.TENANT_ID, tenant_id),
    }
    result = semconv.SUCCESS if success else semconv.FAILURE
    table.count(semconv.OUTCOMES, 1, **{semconv.OUTCOME: result}, **labels)
    if value_usd is not None:
        table.count(semconv.OUTCOME_VALUE_USD, value_usd, **labels)
