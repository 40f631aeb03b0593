"""Percentiles of durations, from counts in bins that are 1 % wide.

One pass over the rows fills the bins, every percentile of a page is read from them. A percentile
is the middle of its bin, so it is off by at most 0.5 %, whatever the number of rows; an exact one
sorts them all, which at ten million takes longer than a page may. A microsecond is added first, as
zero has no logarithm.

Names are grouped by their hash: over millions of rows that takes DuckDB two thirds of the time, and
64 bits do not meet twice in a few thousand names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel.lake.queries.reader import Reader

_KEEP: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, any_value(model) AS model,
        floor(ln(duration_s + 0.000001) * 100)::INTEGER AS bin, count(*) AS n
    FROM {calls} WHERE duration_s IS NOT NULL GROUP BY 1, bin, hash(model)
"""
# {by} is one of our own column lists, never a value.
_PERCENTILES: Final = """
    SELECT {by}, max(total)::BIGINT AS calls,
        exp((min(bin) FILTER (reached >= 0.5 * total) + 0.5) / 100) AS p50,
        exp((min(bin) FILTER (reached >= 0.9 * total) + 0.5) / 100) AS p90,
        exp((min(bin) FILTER (reached >= 0.95 * total) + 0.5) / 100) AS p95,
        exp((min(bin) FILTER (reached >= 0.99 * total) + 0.5) / 100) AS p99
    FROM (
        SELECT {by}, bin, sum(n) OVER (PARTITION BY {by} ORDER BY bin) AS reached,
            sum(n) OVER (PARTITION BY {by}) AS total
        FROM (SELECT {by}, bin, sum(n) AS n FROM {kept} GROUP BY ALL)
    ) GROUP BY {by} ORDER BY {by}
"""


@dataclass(frozen=True)
class Percentiles:
    """Seconds that this part of the calls did not exceed; None of no calls."""

    calls: int
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class TimedPercentiles(Percentiles):
    """Of one point of time."""

    time: object


@dataclass(frozen=True)
class NamedPercentiles(Percentiles):
    """Of one model, span name or whatever was asked by."""

    name: str | None


NOTHING: Final = Percentiles(0, None, None, None, None)


def keep_durations(reader: Reader, before: bool = False) -> None:
    """Store the bins as the temporary table `durations` (`durations_before`)."""
    end = "_before" if before else ""
    reader.keep(f"durations{end}", _KEEP.replace("{calls}", f"{{calls{end}}}"))


def percentiles_sql(by: str, bins: str = "durations") -> str:
    """The query for percentiles by our column list `by` of a kept table of bins."""
    return _PERCENTILES.replace("{by}", by).replace("{kept}", bins)


def overall(reader: Reader, bins: str = "durations") -> Percentiles:
    """All calls in one; after `keep_durations`."""
    rows = reader.rows(
        percentiles_sql("name", f"(SELECT 'all' AS name, bin, n FROM {bins})"),  # noqa: S608 ours
        Percentiles,
    )
    return rows[0] if rows else NOTHING


def over_time(reader: Reader) -> list[TimedPercentiles]:
    """By bucket, oldest first; after `keep_durations`."""
    return reader.rows(percentiles_sql("time"), TimedPercentiles)


@dataclass(frozen=True)
class ModelPercentiles(TimedPercentiles):
    """Of one model at one point of time."""

    name: str | None


def by_model_over_time(reader: Reader) -> list[ModelPercentiles]:
    """By model and bucket, oldest first; after `keep_durations`."""
    return reader.rows(
        percentiles_sql("time, name", "(SELECT time, model AS name, bin, n FROM durations)"),
        ModelPercentiles,
    )


def by_model(reader: Reader) -> list[NamedPercentiles]:
    """By model; after `keep_durations`."""
    return reader.rows(
        percentiles_sql("name", "(SELECT model AS name, bin, n FROM durations)"), NamedPercentiles
    )
