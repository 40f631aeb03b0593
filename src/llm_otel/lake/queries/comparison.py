"""Two models or prompts side by side: cost, latency, errors and scores, and the worst answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from llm_otel.lake.queries import statistics
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Reader
from llm_otel.lake.queries.statistics import Interval

# The name of a comparison's line of scores begins so.
SCORE: Final = "Score: "
_LATELY: Final = timedelta(days=1)
_RECENT: Final = timedelta(days=7)
_MOST_LOOKED_UP: Final = 1_000_000
_WORST_LISTED: Final = 10
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
    SELECT {columns}, min(day) AS first_day, floor(ln(duration_s + 0.000001) * 100)::INTEGER AS bin,
        count(*) AS calls, count(*) FILTER (status = 'error') AS errors,
        count(cost_usd) AS priced, sum(cost_usd) AS cost, sum(cost_usd * cost_usd) AS cost2,
        sum(duration_s) AS seconds, sum(duration_s * duration_s) AS seconds2
    FROM {calls} WHERE operation <> 'embeddings' GROUP BY hash({keys}), bin
"""
_CHOICES: Final = """
    SELECT {name} AS name, {columns[0]} AS base, {version} AS version, sum(calls)::BIGINT AS calls,
        min(first_day) AS first_day, coalesce(any_value(s.scores), 0)::BIGINT AS scores
    FROM sides LEFT JOIN ({scored}) s USING ({using})
    GROUP BY ALL HAVING name IS NOT NULL ORDER BY calls DESC LIMIT 40
"""
# Which are judged most is seen in a day: to look up each score's call takes long.
_SCORED_MODELS: Final = """
    SELECT model, count(*) AS scores FROM {scores} WHERE score IS NOT NULL GROUP BY model
"""
_SCORED_PROMPTS: Final = """
    SELECT prompt_name, count(*) AS scores
    FROM (SELECT trace_id, span_id FROM {scores} WHERE score IS NOT NULL AND time >= $lately)
    JOIN (SELECT trace_id, span_id, prompt_name FROM {calls}
        WHERE prompt_name IS NOT NULL AND time >= $lately) USING (trace_id, span_id)
    GROUP BY prompt_name
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
# Scores name their model, not their prompt.
_JUDGED_MODELS: Final = """
    SELECT model AS name, evaluation, score, time, trace_id, explanation, feature, tenant_id
    FROM {scores} WHERE score IS NOT NULL AND model IN ($a, $b)
"""
_JUDGED_PROMPTS: Final = """
    SELECT {name} AS name, s.* EXCLUDE (span_id)
    FROM (SELECT evaluation, score, time, trace_id, span_id, explanation, feature, tenant_id
        FROM {scores} WHERE score IS NOT NULL AND time >= $recent) s
    JOIN (SELECT trace_id, span_id, prompt_name, prompt_version FROM {calls}
        WHERE prompt_name IN ($base_a, $base_b) AND {name} IN ($a, $b) AND time >= $recent)
        USING (trace_id, span_id)
"""
_SCORED: Final = """
    SELECT name, evaluation, count(*) AS scores, avg(score) AS mean,
        stddev_samp(score) AS deviation
    FROM judged GROUP BY ALL
"""
_WORST: Final = """
    SELECT name, evaluation, score, time, trace_id, explanation, feature, tenant_id
    FROM judged WHERE evaluation = $evaluation AND trace_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY name ORDER BY score, time DESC) <= $listed
    ORDER BY name = $b, score, time DESC
"""


@dataclass(frozen=True)
class Choice:
    """A model, or a prompt with its version.

    Attributes:
        base: The prompt without its version; the model.
        version: Of the prompt.
        first_day: Of the window, on which it was called first.
        scores: How often the model, or any version of the prompt, is scored.
    """

    name: str
    base: str
    version: str | None
    calls: int
    first_day: date
    scores: int

    @property
    def age(self) -> tuple[date, list[tuple[int, str]]]:
        """By this, newer versions come after older ones; `v10` after `v9`."""
        pieces = re.findall(r"\d+|\D+", self.version or "")
        return self.first_day, [(int(p) if p.isdecimal() else -1, p) for p in pieces]


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
class Judged:
    """An answer with its score; `name`: the side that it is of."""

    name: str
    evaluation: str
    score: float
    time: datetime
    trace_id: str
    explanation: str | None
    feature: str | None
    tenant_id: str | None


@dataclass(frozen=True)
class Comparison:
    """Two groups of calls side by side.

    Attributes:
        a, b: The groups.
        lines: The figures, scores first.
        evaluations: What scored both, the most used first.
        scored_since: From when on scores count, where that is not the whole window.
    """

    a: Group
    b: Group
    lines: list[Line]
    evaluations: tuple[str, ...]
    scored_since: datetime | None


def choices(reader: Reader, by: str) -> list[Choice]:
    """What can be compared by a key of `VARIANTS`, the most used first; `compare` comes after."""
    columns, name = VARIANTS[by]
    picked = ", ".join(f"any_value({each}) AS {each}" for each in columns)
    text = _KEEP.replace("{columns}", picked).replace("{keys}", ", ".join(columns))
    reader.keep("sides", text)
    lately = max(reader.filter.since, reader.filter.until - _LATELY)
    texts = {
        "{name}": name,
        "{columns[0]}": columns[0],
        "{version}": "prompt_version" if by == "prompt" else "NULL",
        "{scored}": _SCORED_PROMPTS if by == "prompt" else _SCORED_MODELS,
        "{using}": columns[0],
    }
    query = _CHOICES
    for mark, part in texts.items():
        query = query.replace(mark, part)
    return reader.rows(query, Choice, lately=lately)


def usual_pair(options: Sequence[Choice]) -> tuple[str, str] | None:
    """What one most likely wants to compare: the newest two versions of the prompt that is scored
    most, the older one first; without versions the two that are scored most."""
    ordered = sorted(options, key=lambda choice: (-choice.scores, -choice.calls))
    versions: dict[str, list[Choice]] = {}
    for choice in ordered:
        versions.setdefault(choice.base, []).append(choice)
    for several in versions.values():
        if len(several) > 1:
            older, newer = sorted(several, key=lambda choice: choice.age)[-2:]
            return older.name, newer.name
    return (ordered[0].name, ordered[1].name) if len(ordered) > 1 else None


def compare(reader: Reader, by: str, a: Choice, b: Choice) -> Comparison | None:
    """Two models or prompts by cost, latency, errors and scores; None where one has no calls.

    Means by Welch, shares by Wilson and Newcombe, the P95 by order statistics. After `choices`.
    """
    name = VARIANTS[by][1]
    names = {"a": a.name, "b": b.name}
    groups = {g.name: g for g in reader.rows(_GROUPS.replace("{name}", name), Group, **names)}
    if a.name not in groups or b.name not in groups:
        return None
    text = _JUDGED_PROMPTS if by == "prompt" else _JUDGED_MODELS
    recent = _scored_since(reader.filter, groups) if by == "prompt" else reader.filter.since
    bases = {"base_a": a.base, "base_b": b.base, "recent": recent}
    reader.keep("judged", text.replace("{name}", name), **bases, **names)
    scored = reader.rows(_SCORED, Scored)
    one, two = groups[a.name], groups[b.name]
    lines = [
        _means("Cost per call", "usd", [(g.cost, g.cost_deviation, g.priced) for g in (one, two)]),
        _means(
            "Latency, mean", "s", [(g.seconds, g.seconds_deviation, g.timed) for g in (one, two)]
        ),
        Line("Latency, P95", "s", _p95(reader, name, one), _p95(reader, name, two), None, -1),
        _errors(one, two),
    ]
    counts = dict[str, int]()
    scores = []
    for evaluation in sorted({row.evaluation for row in scored}):
        sides = {row.name: row for row in scored if row.evaluation == evaluation}
        if len(sides) == 2:
            samples = [(sides[n].mean, sides[n].deviation, sides[n].scores) for n in names.values()]
            scores.append(_means(f"{SCORE}{evaluation}", "score", samples, better=1))
            counts[evaluation] = sum(size for _, _, size in samples)
    evaluations = tuple(sorted(counts, key=lambda name: -counts[name]))
    since = recent if recent > reader.filter.since else None
    return Comparison(one, two, [*scores, *lines], evaluations, since)


def _scored_since(window: Filter, groups: Mapping[str, Group]) -> datetime:
    """From when on each score's call is looked up: of very many calls that takes long."""
    many = sum(group.calls for group in groups.values()) > _MOST_LOOKED_UP
    return max(window.since, window.until - _RECENT) if many else window.since


def worst(reader: Reader, evaluation: str, b: str) -> list[Judged]:
    """The worst-scored answers of both sides, those of `b` last; after `compare`."""
    return reader.rows(_WORST, Judged, evaluation=evaluation, b=b, listed=_WORST_LISTED)


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
