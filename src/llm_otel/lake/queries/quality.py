"""Scores: how they are spread, how they move, and two models or prompts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
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
PROMPT_SCORES: Final = timedelta(days=7)
# What two groups of calls can differ by -> the columns that name it, and the name of them.
VARIANTS: Final = {
    "model": (("model",), "model"),
    "prompt": (
        ("prompt_name", "prompt_version"),
        "prompt_name || '@' || coalesce(prompt_version, '')",
    ),
}
# One pass over the calls: sums and squares by bin of duration, 1 % wide (see `durations`, also for
# the hash); the bin is NULL where there is no duration.
_KEEP: Final = """
    SELECT {columns}, floor(ln(duration_s + 0.000001) * 100)::INTEGER AS bin,
        count(*) AS calls, count(*) FILTER (status = 'error') AS errors,
        count(cost_usd) AS priced, sum(cost_usd) AS cost, sum(cost_usd * cost_usd) AS cost2,
        sum(duration_s) AS seconds, sum(duration_s * duration_s) AS seconds2
    FROM {calls} WHERE operation <> 'embeddings' GROUP BY hash({keys}), bin
"""
_CHOICES: Final = """
    SELECT {name} AS name, sum(calls)::BIGINT AS calls FROM sides
    GROUP BY ALL HAVING name IS NOT NULL ORDER BY calls DESC LIMIT 40
"""
_GROUPS: Final = """
    SELECT {name} AS name, sum(calls)::BIGINT AS calls, sum(priced)::BIGINT AS priced,
        sum(errors)::BIGINT AS errors, sum(cost) / nullif(sum(priced), 0) AS cost,
        sqrt(greatest(sum(cost2) - sum(cost) ** 2 / nullif(sum(priced), 0), 0)
            / nullif(sum(priced) - 1, 0)) AS cost_deviation,
        coalesce(sum(calls) FILTER (bin IS NOT NULL), 0)::BIGINT AS timed,
        sum(seconds) / nullif(timed, 0) AS seconds,
        sqrt(greatest(sum(seconds2) - sum(seconds) ** 2 / nullif(timed, 0), 0)
            / nullif(timed - 1, 0)) AS seconds_deviation
    FROM sides WHERE {name} IN ($a, $b) GROUP BY {name}
"""
_RANKS: Final = """
    SELECT exp((min(bin) FILTER (reached >= $low * total) + 0.5) / 100) AS low,
        exp((min(bin) FILTER (reached >= 0.95 * total) + 0.5) / 100) AS value,
        exp((min(bin) FILTER (reached >= $high * total) + 0.5) / 100) AS high
    FROM (SELECT bin, sum(calls) OVER (ORDER BY bin) AS reached, sum(calls) OVER () AS total
        FROM (SELECT bin, sum(calls) AS calls FROM sides WHERE {name} = $one AND bin IS NOT NULL
            GROUP BY bin))
"""
_SCORED_MODELS: Final = """
    SELECT model AS name, evaluation, count(*) AS scores, avg(score) AS mean,
        stddev_samp(score) AS deviation
    FROM {scores} WHERE score IS NOT NULL AND model IN ($a, $b) GROUP BY ALL
"""
_SCORED: Final = """
    SELECT {name} AS name, evaluation, count(*) AS scores, avg(score) AS mean,
        stddev_samp(score) AS deviation
    FROM (SELECT * FROM {scores} WHERE score IS NOT NULL AND time >= $recent)
    JOIN (SELECT trace_id, span_id, prompt_name, prompt_version FROM {calls}
        WHERE prompt_name IS NOT NULL AND time >= $recent) USING (trace_id, span_id)
    WHERE {name} IN ($a, $b) GROUP BY ALL
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
class Choice:
    """A model, or a prompt with its version."""

    name: str
    calls: int


@dataclass(frozen=True)
class Group:
    """One side of a comparison."""

    name: str
    calls: int
    priced: int
    errors: int
    cost: float | None
    cost_deviation: float | None
    seconds: float | None
    seconds_deviation: float | None
    timed: int


@dataclass(frozen=True)
class Scored:
    """One side's scores in one evaluation."""

    name: str
    evaluation: str
    scores: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Line:
    """One figure of a comparison: both sides, and b minus a; `better`: which way is good."""

    what: str
    unit: str
    a: Interval | None
    b: Interval | None
    difference: Interval | None
    better: int


@dataclass(frozen=True)
class Comparison:
    """Two groups of calls side by side."""

    a: Group
    b: Group
    lines: list[Line]


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


def choices(reader: Reader, by: str) -> list[Choice]:
    """What can be compared by a key of `VARIANTS`, the most used first; `compare` comes after."""
    columns, name = VARIANTS[by]
    picked = ", ".join(f"any_value({each}) AS {each}" for each in columns)
    text = _KEEP.replace("{columns}", picked).replace("{keys}", ", ".join(columns))
    reader.keep("sides", text)
    return reader.rows(_CHOICES.replace("{name}", name), Choice)


def compare(reader: Reader, by: str, a: str, b: str) -> Comparison | None:
    """Two models or prompts by cost, latency, errors and scores; None where one has no calls.

    Means by Welch, shares by Wilson and Newcombe, the P95 by order statistics. Scores of prompts
    are of the last `PROMPT_SCORES` of the window: scores do not name their prompt, and to look up
    each one's call takes long. After `choices`.
    """
    name = VARIANTS[by][1]
    groups = {g.name: g for g in reader.rows(_GROUPS.replace("{name}", name), Group, a=a, b=b)}
    if a not in groups or b not in groups:
        return None
    text = _SCORED_MODELS if by == "model" else _SCORED
    recent = max(reader.filter.since, reader.filter.until - PROMPT_SCORES)
    scored = reader.rows(text.replace("{name}", name), Scored, a=a, b=b, recent=recent)
    one, two = groups[a], groups[b]
    lines = [
        _means("Cost per call", "usd", [(g.cost, g.cost_deviation, g.priced) for g in (one, two)]),
        _means(
            "Latency, mean", "s", [(g.seconds, g.seconds_deviation, g.timed) for g in (one, two)]
        ),
        Line("Latency, P95", "s", _p95(reader, name, one), _p95(reader, name, two), None, -1),
        _errors(one, two),
    ]
    for evaluation in sorted({row.evaluation for row in scored}):
        sides = {row.name: row for row in scored if row.evaluation == evaluation}
        if len(sides) == 2:
            samples = [(sides[n].mean, sides[n].deviation, sides[n].scores) for n in (a, b)]
            lines.append(_means(f"Score: {evaluation}", "score", samples, better=1))
    return Comparison(one, two, lines)


def _means(
    what: str, unit: str, sides: Sequence[tuple[float | None, float | None, int]], better: int = -1
) -> Line:
    a, b = sides
    difference = statistics.mean_difference(a, b)
    return Line(what, unit, statistics.mean(*a), statistics.mean(*b), difference, better)


def _errors(a: Group, b: Group) -> Line:
    difference = statistics.share_difference(a.errors, a.calls, b.errors, b.calls)
    shares = [statistics.wilson(g.errors, g.calls) for g in (a, b)]
    return Line("Error rate", "share", shares[0], shares[1], difference, -1)


@dataclass(frozen=True)
class _Ranks:
    low: float | None
    value: float | None
    high: float | None


def _p95(reader: Reader, name: str, group: Group) -> Interval | None:
    ranks = statistics.quantile_ranks(0.95, group.timed)
    if ranks is None:
        return None
    ranked = reader.one(
        _RANKS.replace("{name}", name), _Ranks, one=group.name, low=ranks[0], high=ranks[1]
    )
    if ranked.value is None or ranked.low is None or ranked.high is None:
        return None
    return Interval(ranked.value, ranked.low, ranked.high)
