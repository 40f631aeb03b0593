"""Scores: how they are spread and how they move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel.lake.queries import statistics
from llm_otel.lake.queries.reader import Reader
from llm_otel.lake.queries.statistics import Interval

_SUMMARY: Final = """
    SELECT evaluation, count(*) AS scores, avg(score) AS mean, stddev_samp(score) AS deviation,
        quantile_cont(score, 0.1) AS p10, quantile_cont(score, 0.5) AS p50
    FROM {scores} WHERE score IS NOT NULL GROUP BY evaluation ORDER BY scores DESC
"""
_BEFORE: Final = """
    SELECT evaluation, count(*) AS scores, avg(score) AS mean, stddev_samp(score) AS deviation,
        NULL AS p10, NULL AS p50
    FROM {scores_before} WHERE score IS NOT NULL GROUP BY evaluation
"""
_BINS: Final = """
    SELECT evaluation, least(floor(score * 20), 19) / 20 AS low, count(*) AS scores
    FROM {scores} WHERE score IS NOT NULL GROUP BY ALL ORDER BY low
"""
_DRIFT: Final = """
    SELECT time_bucket(to_seconds($drift_s), time) AS time, evaluation, model,
        count(*) AS scores, avg(score) AS mean, stddev_samp(score) AS deviation
    FROM {scores} WHERE score IS NOT NULL AND evaluation = $evaluation
    GROUP BY ALL ORDER BY time
"""


@dataclass(frozen=True)
class Summary:
    """One evaluation's scores."""

    evaluation: str
    scores: int
    mean: float
    deviation: float | None
    p10: float | None
    p50: float | None

    @property
    def interval(self) -> Interval | None:
        """The mean and how sure it is."""
        return statistics.mean(self.mean, self.deviation, self.scores)


@dataclass(frozen=True)
class Bin:
    """Scores of an evaluation from `low` to `low` + 0.05."""

    evaluation: str
    low: float
    scores: int


@dataclass(frozen=True)
class Drift:
    """The mean score of a model in a stretch of time."""

    time: object
    evaluation: str
    model: str | None
    scores: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Quality:
    """What the page shows; `drift_s`: seconds that a point of the drift stands for."""

    summaries: list[Summary]
    before: dict[str, Summary]
    bins: list[Bin]
    drift: list[Drift]
    drift_s: int


def quality(reader: Reader, evaluation: str | None = None) -> Quality:
    """Read the scores; the drift is of `evaluation`, else of the one with the most scores."""
    summaries = reader.rows(_SUMMARY, Summary)
    name = evaluation or (summaries[0].evaluation if summaries else None)
    drift_s = max(reader.filter.bucket_s, 86_400)
    return Quality(
        summaries,
        {row.evaluation: row for row in reader.rows(_BEFORE, Summary)},
        reader.rows(_BINS, Bin),
        reader.rows(_DRIFT, Drift, evaluation=name, drift_s=drift_s),
        drift_s,
    )
