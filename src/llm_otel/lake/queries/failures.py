"""Calls that were not answered: by class of error, by what they were for, over time.

Counted as requests are (`usage`): by the services' metrics where there are any, and by the calls
that no metrics count. A stream that was left early is no error of the metrics, so that its call
alone knows of it. When they were first and last seen, what they cost, and examples are of the
calls, which may be sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from llm_otel import semconv
from llm_otel.lake.queries import marks, metering
from llm_otel.lake.queries.filters import HOUR
from llm_otel.lake.queries.reader import Reader

# What the errors can be listed by: name -> column.
DIMENSIONS: Final = {
    "error_type": "error",
    "model": "model",
    "provider": "provider",
    "tenant_id": "tenant_id",
    "feature": "feature",
    "service": "service_name",
}
_EXAMPLES: Final = 3
# Classes drawn by their names; the others are one.
_DRAWN: Final = 7
OTHERS: Final = "all others"

_OF_CALLS: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, service_name, provider, model,
        feature, tenant_id, coalesce(error_type, status) AS error, count(*) AS calls
    FROM {calls} c {only} WHERE status <> 'ok' {which} GROUP BY ALL
"""
# Streams that were left early: cancelled, without an error.
_LEFT: Final = "(status = 'cancelled' AND error_type IS NULL)"
_OF_METRICS: Final = """
    SELECT time_bucket(to_seconds($bucket_s), hour) AS time, service_name, provider, model,
        feature, tenant_id, error_type AS error, sum(sum) AS calls
    FROM {metrics_hourly} WHERE metric = $errors AND instrument IS DISTINCT FROM 'gauge'
    GROUP BY ALL
"""
_KINDS: Final = """
    CASE WHEN error = 'cancelled' THEN 'cancelled'
        WHEN list_contains($slo, error) OR error = 'error' THEN 'failed' ELSE 'refused' END
"""
_OVER_TIME: Final = f"""
    SELECT time, {_KINDS} AS kind, CASE WHEN list_contains($drawn, error) THEN error
        ELSE '{OTHERS}' END AS name, sum(calls)::BIGINT AS calls
    FROM failures GROUP BY ALL ORDER BY time
"""  # noqa: S608 constants
_SUMS: Final = f"""
    SELECT {_KINDS} AS kind, sum(calls)::BIGINT AS calls FROM failures GROUP BY ALL
"""  # noqa: S608 constants
_CLASSES: Final = """
    SELECT error AS name, sum(calls)::BIGINT AS calls FROM failures GROUP BY ALL
    HAVING calls > 0 ORDER BY calls DESC, name
"""
# {by} is a column of ours.
_SEEN: Final = """
    SELECT {by} AS name, count(*) AS traced, min(time) AS first_seen, max(time) AS last_seen,
        sum(cost_usd) AS cost_usd, count(*) FILTER ({unpriced}) AS unpriced,
        arg_max(trace_id, time, {examples}) AS examples,
        arg_max(time, time, {examples}) AS times
    FROM (SELECT *, coalesce(error_type, status) AS error FROM {calls} WHERE status <> 'ok')
    GROUP BY ALL
""".replace("{unpriced}", marks.UNPRICED).replace("{examples}", str(_EXAMPLES))
# The kind and the class of most calls, not of most rows.
_LISTED: Final = f"""
    WITH by_class AS (
        SELECT {{by}} AS name, error, {_KINDS} AS kind, sum(calls) AS calls
        FROM failures GROUP BY ALL
    ), by_kind AS (SELECT *, sum(calls) OVER (PARTITION BY name, kind) AS of_kind FROM by_class)
    SELECT name, sum(calls)::BIGINT AS calls, arg_max(kind, row(of_kind, kind)) AS kind,
        arg_max(error, row(calls, error)) AS most
    FROM by_kind GROUP BY 1 HAVING sum(calls) > 0 ORDER BY calls DESC, name
"""  # noqa: S608 constants


@dataclass(frozen=True)
class Kind:
    """How many were `refused` for what they asked, `failed` on the provider's side or on the way,
    or were `cancelled`."""

    kind: str
    calls: int


@dataclass(frozen=True)
class Class:
    """A class of errors."""

    name: str | None
    calls: int


@dataclass(frozen=True)
class Point:
    """One class in one point of time."""

    time: datetime
    kind: str
    name: str
    calls: int


@dataclass(frozen=True)
class _Listed:
    name: str | None
    calls: int
    kind: str
    most: str | None


@dataclass(frozen=True)
class _Seen:
    name: str | None
    traced: int
    first_seen: datetime
    last_seen: datetime
    cost_usd: float | None
    unpriced: int
    examples: list[str]
    times: list[datetime]


@dataclass(frozen=True)
class Failure:
    """Calls that were not answered, of one class, model or whatever they are listed by.

    Attributes:
        name: Of what; None for what does not say.
        calls: How many.
        kind: Most of them: `refused`, `failed` or `cancelled`.
        most: The class of most of them.
        first_seen, last_seen: UTC, of the calls in the window; None where no span of them is kept.
        cost_usd: USD that the calls among them cost all the same; None where nothing is known.
        unpriced: How many of these have an unknown cost.
        examples: The newest of them: trace and time.
    """

    name: str | None
    calls: int
    kind: str
    most: str | None
    first_seen: datetime | None
    last_seen: datetime | None
    cost_usd: float | None
    unpriced: int
    examples: list[tuple[str, datetime]]


@dataclass(frozen=True)
class Failures:
    """What the page shows.

    Attributes:
        kinds: Calls by kind.
        points: By class over time; what is rare is one class.
        rows: By what they are listed by.
    """

    kinds: dict[str, int]
    points: list[Point]
    rows: list[Failure]


def keep_failures(reader: Reader) -> None:
    """Store the window's calls that were not answered as the temporary table `failures`."""
    values = {"errors": semconv.ERRORS.name}
    if reader.filter.only_calls_know or reader.filter.bucket_s < HOUR:
        reader.keep("failures", _of_calls("", ""))
        return
    metering.keep_unmetered(reader)
    parts = (
        metering.once(reader, _OF_METRICS),
        _of_calls(metering.ONLY_UNMETERED, f"AND NOT {_LEFT}"),
        _of_calls("", f"AND {_LEFT}"),
    )
    reader.keep("failures", " UNION ALL BY NAME ".join(parts), **values)


def _of_calls(only: str, which: str) -> str:
    return _OF_CALLS.replace("{only}", only).replace("{which}", which)


def over_time(reader: Reader) -> list[Point]:
    """By class, oldest first; after `keep_failures`."""
    classes = [row.name for row in reader.rows(_CLASSES, Class)][:_DRAWN]
    return reader.rows(_OVER_TIME, Point, drawn=classes, slo=list(semconv.SLO_ERROR_CLASSES))


def sums(reader: Reader) -> Failures:
    """Kinds and points alone, which take a part of the time."""
    keep_failures(reader)
    slo = list(semconv.SLO_ERROR_CLASSES)
    kinds = {row.kind: row.calls for row in reader.rows(_SUMS, Kind, slo=slo)}
    return Failures(kinds, over_time(reader), [])


def failures(reader: Reader, by: str) -> Failures:
    """Read all of it.

    Args:
        reader: Of the window.
        by: A key of `DIMENSIONS`.
    """
    all_of = sums(reader)
    slo = {"slo": list(semconv.SLO_ERROR_CLASSES)}
    column = DIMENSIONS[by]
    times = {row.name: row for row in reader.rows(_SEEN.replace("{by}", column), _Seen)}
    rows = [
        _row(row, times.get(row.name))
        for row in reader.rows(_LISTED.replace("{by}", column), _Listed, **slo)
    ]
    return replace(all_of, rows=rows)


def _row(row: _Listed, times: _Seen | None) -> Failure:
    of_calls = (None, None, None, 0, []) if times is None else (
        times.first_seen, times.last_seen, times.cost_usd, times.unpriced,
        list(zip(times.examples, times.times)),
    )  # fmt: skip
    return Failure(row.name, row.calls, row.kind, row.most, *of_calls)
