"""Latency, verdicts and classes of errors of a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from llm_otel import semconv
from llm_otel.lake.queries.metering import ONLY_UNMETERED, keep_unmetered, once
from llm_otel.lake.queries.reader import Reader


@dataclass(frozen=True, slots=True)
class Quality:
    """How well it went; None where nothing was said.

    Attributes:
        p50, p95: Seconds, over calls that ended well.
        success: Share of outcomes that succeeded.
        value: USD that outcomes brought.
        scores: Mean score of each evaluation.
    """

    p50: float | None
    p95: float | None
    success: float | None
    value: float | None
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Latency:
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class _Outcomes:
    success: float | None
    value: float | None


@dataclass(frozen=True, slots=True)
class _Score:
    evaluation: str
    score: float


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    p95: float


# approx_quantile (t-digest) is within a percent here and needs no sort of a whole week.
_LATENCY: Final = """
    SELECT approx_quantile(duration_s, 0.5) AS p50, approx_quantile(duration_s, 0.95) AS p95
    FROM {calls} WHERE status = 'ok'
"""
_DAILY_P95: Final = """
    SELECT time::DATE AS day, approx_quantile(duration_s, 0.95) AS p95
    FROM {calls} WHERE status = 'ok' GROUP BY 1 HAVING count(*) >= $least
"""
_OUTCOMES: Final = """
    SELECT count(*) FILTER (success) / nullif(count(*), 0) AS success,
        coalesce(sum(value_usd), 0) AS value
    FROM {outcomes}
"""
_SCORES: Final = """
    SELECT evaluation, avg(score) AS score FROM {scores}
    WHERE evaluation IS NOT NULL AND score IS NOT NULL GROUP BY 1
"""
# As with the sums of `lake.queries.usage`: by the metrics, where these count the call.
_ERRORS: Final = """
    WITH failed AS (
        SELECT coalesce(error_type, $other) AS error_type, count(*) AS calls
        FROM {calls} c {only} WHERE status = 'error' GROUP BY 1
        UNION ALL
        SELECT coalesce(error_type, $other), sum(sum) FROM {metrics_hourly}
        WHERE metric = $errors GROUP BY 1
    )
    SELECT error_type, sum(calls)::BIGINT AS calls
    FROM failed WHERE error_type <> $cancelled GROUP BY 1 HAVING sum(calls) > 0
"""


@dataclass(frozen=True, slots=True)
class _Errors:
    error_type: str
    calls: int


def read_quality(reader: Reader) -> Quality:
    """What was said of a reader's window."""
    latency = reader.one(_LATENCY, _Latency)
    outcomes = reader.one(_OUTCOMES, _Outcomes)
    scores = {row.evaluation: row.score for row in reader.rows(_SCORES, _Score)}
    return Quality(latency.p50, latency.p95, outcomes.success, outcomes.value, scores)


def read_p95(reader: Reader, least: int) -> dict[date, float]:
    """P95 latency in seconds of each day with at least `least` calls that ended well."""
    return {row.day: row.p95 for row in reader.rows(_DAILY_P95, _Day, least=least)}


def read_errors(reader: Reader) -> dict[str, int]:
    """How many calls failed by class of error; what the caller cancelled is no error."""
    keep_unmetered(reader)
    rows = reader.rows(
        once(reader, _ERRORS).replace("{only}", ONLY_UNMETERED),
        _Errors,
        errors=semconv.ERRORS.name,
        other=semconv.OTHER,
        cancelled=semconv.CANCELLED,
    )
    return {row.error_type: row.calls for row in rows}
