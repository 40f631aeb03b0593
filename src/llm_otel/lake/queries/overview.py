"""The first page: how much, how well, how fast, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from llm_otel.lake.queries import durations, marks, usage
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader

_DAYS_OF_A_MONTH: Final = 30


@dataclass(frozen=True)
class ModelRow(usage.Totals):
    """One model's sums; no cost where it has no price."""

    model: str | None
    provider: str | None


_MODELS: Final = """
    SELECT model, any_value(provider) AS provider,
        coalesce(sum(requests), 0)::BIGINT AS requests,
        coalesce(sum(errors), 0)::BIGINT AS errors, sum(cost_usd) AS cost_usd,
        coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
        coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
        coalesce(sum(cached_tokens), 0)::BIGINT AS cached_tokens,
        coalesce(sum(unpriced), 0)::BIGINT AS unpriced, coalesce(sum(traced), 0)::BIGINT AS traced
    FROM usage GROUP BY model ORDER BY cost_usd DESC NULLS LAST, requests DESC
"""


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
    )


@dataclass(frozen=True)
class Bill:
    """USD of today (UTC) so far and of the same hours a week ago; of a month at the pace of the
    last 24 hours, and at that of the same 24 hours a week ago. The cost of so many calls of today
    and of these 24 hours is unknown, or known in part."""

    today: float
    today_last_week: float
    month: float
    month_last_week: float
    today_unpriced: int
    month_unpriced: int


def bill(lake: Connects, asked: Filter, now: datetime) -> Bill:
    """Today's cost and the projected month, whatever the filter's window is."""
    midnight = datetime.combine(now.date(), time())
    day, week = timedelta(days=1), timedelta(days=7)
    reader = Reader(lake, asked.over(now - day - week, now), timedelta())
    return reader.one(
        _BILL, Bill, midnight=midnight, day=now - day, days=_DAYS_OF_A_MONTH,
        midnight_then=midnight - week, then=now - week,
    )  # fmt: skip


_BILL: Final = """
    SELECT coalesce(sum(cost_usd) FILTER (time >= $midnight), 0) AS today,
        coalesce(sum(cost_usd) FILTER (time >= $midnight_then AND time < $then), 0)
            AS today_last_week,
        coalesce(sum(cost_usd) FILTER (time >= $day), 0) * $days AS month,
        coalesce(sum(cost_usd) FILTER (time < $then), 0) * $days AS month_last_week,
        count(*) FILTER (time >= $midnight AND {unpriced}) AS today_unpriced,
        count(*) FILTER (time >= $day AND {unpriced}) AS month_unpriced
    FROM {calls}
""".replace("{unpriced}", marks.UNPRICED)
