"""The first page: how much, how well, how fast, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from llm_otel import projected_month
from llm_otel.lake.queries import cost, durations, usage
from llm_otel.lake.queries.filters import HOUR, Filter
from llm_otel.lake.queries.reader import Connects, Reader

WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True)
class ModelRow(usage.Totals):
    """One model's sums; no cost where it has no price."""

    model: str | None
    provider: str | None


_MODELS: Final = f"""
    SELECT model, any_value(provider) AS provider, {usage.COUNTS}, sum(cost_usd) AS cost_usd
    FROM usage GROUP BY model ORDER BY cost_usd DESC NULLS LAST, requests DESC
"""  # noqa: S608 constants


@dataclass(frozen=True)
class Overview:
    """What the page shows. `now` is of the window, `before` of the one before it."""

    metered: bool
    now: usage.Totals
    before: usage.Totals
    points: list[usage.Point]
    latency: durations.Percentiles
    latency_before: durations.Percentiles
    latency_points: list[durations.TimedPercentiles]
    models: list[ModelRow]
    model_latency: dict[str | None, durations.Percentiles]
    model_latency_points: list[durations.ModelPercentiles]
    moves: cost.Moves


@dataclass(frozen=True)
class Interactions:
    """What callers saw: traces, and those of them in which a call was not answered.

    Attributes:
        traces: How many; where there are very many, to within about 2 %: `roughly`.
        failed: Exact.
    """

    traces: int
    failed: int
    roughly: bool


@dataclass(frozen=True)
class Worth:
    """What came of them: outcomes and those that are successes, and the evaluation with the most
    scores, its mean and their number; `before` of the window before."""

    outcomes: int
    successes: int
    outcomes_before: int
    successes_before: int
    evaluation: str | None
    mean: float | None
    mean_before: float | None
    scores: int


@dataclass(frozen=True)
class Spent:
    """USD of one point of time."""

    time: datetime
    cost_usd: float


_CALLS: Final = "SELECT count(*) AS one FROM {calls}"
# More than so many calls are counted by HyperLogLog, in a tenth of the time.
_EXACT: Final = 500_000
_INTERACTIONS: Final = """
    SELECT (SELECT {count} FROM {calls}) AS traces, count(*) AS failed, $roughly AS roughly
    FROM (SELECT DISTINCT trace_id FROM {calls} WHERE status <> 'ok')
"""
_WORTH: Final = """
    WITH most AS (
        SELECT evaluation, avg(score) AS mean, count(*) AS scores FROM {scores}
        WHERE score IS NOT NULL GROUP BY ALL ORDER BY scores DESC, evaluation LIMIT 1
    ), now AS (
        SELECT count(*) AS outcomes, count(*) FILTER (success) AS successes FROM {outcomes}
    ), before AS (
        SELECT count(*) AS outcomes_before, count(*) FILTER (success) AS successes_before
        FROM {outcomes_before}
    )
    SELECT * EXCLUDE (scores), coalesce(scores, 0) AS scores,
        (SELECT avg(score) FROM {scores_before} WHERE evaluation = most.evaluation) AS mean_before
    FROM now CROSS JOIN before LEFT JOIN most ON true
"""


def interactions(reader: Reader) -> Interactions:
    """How many there were, and how many failed."""
    roughly = reader.one(_CALLS, usage.One).one > _EXACT
    count = "approx_count_distinct(trace_id)" if roughly else "count(DISTINCT trace_id)"
    return reader.one(_INTERACTIONS.replace("{count}", count), Interactions, roughly=roughly)


def worth(reader: Reader) -> Worth:
    """What came of them."""
    return reader.one(_WORTH, Worth)


def week_before(lake: Connects, selection: Filter) -> list[Spent]:
    """What the same hours of the week before cost, as of now: each point is a week older."""
    earlier = selection.over(selection.since - WEEK, selection.until - WEEK)
    reader = Reader(lake, earlier, timedelta())
    usage.keep_window(reader)
    rows = reader.rows("SELECT time, coalesce(sum(cost_usd), 0) AS cost_usd FROM usage "
                       "GROUP BY time ORDER BY time", Spent)  # fmt: skip
    return [Spent(row.time + WEEK, row.cost_usd) for row in rows]


def overview(reader: Reader) -> Overview:
    """Read all of it."""
    metered = usage.keep_usage(reader)
    durations.keep_durations(reader)
    durations.keep_durations(reader, before=True)
    now, before = usage.totals(reader)
    return Overview(
        metered,
        now,
        before,
        usage.over_time(reader),
        durations.overall(reader),
        durations.overall(reader, "durations_before"),
        durations.over_time(reader),
        reader.rows(_MODELS, ModelRow),
        {row.name: row for row in durations.by_model(reader)},
        durations.by_model_over_time(reader),
        cost.moves(reader),
    )


@dataclass(frozen=True)
class Bill:
    """What is spent, whatever the window of the page is.

    Attributes:
        today: USD of today (UTC) so far.
        today_last_week: USD of the same hours a week ago; of the last one its part.
        month: Of this month; None where nothing is known.
        today_unpriced, month_unpriced: How many calls of today, and of what the month is projected
            from, have a cost that is unknown or known in part.
    """

    today: float
    today_last_week: float
    month: projected_month.Projection | None
    today_unpriced: int
    month_unpriced: int


@dataclass(frozen=True)
class _Spent:
    time: datetime
    cost_usd: float
    unpriced: int


_SPENT: Final = """
    SELECT time, coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(unpriced), 0)::BIGINT AS unpriced
    FROM usage GROUP BY time
"""


def bill(lake: Connects, selection: Filter, now: datetime) -> Bill:
    """Today's cost and the projected month, whatever the filter's window is."""
    midnight = datetime.combine(now.date(), time())
    week = timedelta(days=7)
    # By the hour only where a part of a day is asked about: days are read in a third of the time.
    last_days = _spent(lake, selection.over(midnight - week, now), HOUR)
    before = _spent(lake, selection.over(projected_month.window(now), midnight - week), 24 * HOUR)
    spent = [*before, *last_days]
    then = now - week
    month_since = min(now - projected_month.PACE, projected_month.month_of(now)[0])
    return Bill(
        sum(hour.cost_usd for hour in last_days if hour.time >= midnight),
        sum(
            hour.cost_usd * min((then - hour.time) / timedelta(hours=1), 1)
            for hour in last_days
            if hour.time < then
        ),
        projected_month.project(((each.time, each.cost_usd) for each in spent), now),
        sum(hour.unpriced for hour in last_days if hour.time >= midnight),
        sum(each.unpriced for each in spent if each.time >= month_since),
    )


def _spent(lake: Connects, selection: Filter, bucket_s: int) -> list[_Spent]:
    reader = Reader(lake, selection, timedelta())
    usage.keep_window(reader, bucket_s=bucket_s)
    return reader.rows(_SPENT, _Spent)
