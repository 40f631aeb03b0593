"""Who uses it: activity, top users, top sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llm_otel.lake.queries import marks
from llm_otel.lake.queries.reader import Reader

# One pass: everything else is summed from a row per point, user and session.
_KEEP: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, "user", session_id, tenant_id,
        count(*) AS calls, count(*) FILTER (status = 'error') AS errors,
        sum(cost_usd) AS cost_usd, count(*) FILTER ({unpriced}) AS unpriced,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) AS tokens,
        max(time) AS last_seen
    FROM {calls} WHERE "user" IS NOT NULL OR session_id IS NOT NULL GROUP BY ALL
""".replace("{unpriced}", marks.UNPRICED)
_TOTALS: Final = """
    SELECT count(DISTINCT "user") AS users, count(DISTINCT session_id) AS sessions,
        coalesce(sum(calls), 0)::BIGINT AS calls, coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(unpriced), 0)::BIGINT AS unpriced
    FROM activity
"""
_BEFORE: Final = """
    SELECT count(DISTINCT "user") AS users, count(DISTINCT session_id) AS sessions,
        count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd, 0 AS unpriced
    FROM {calls_before} WHERE "user" IS NOT NULL OR session_id IS NOT NULL
"""
_POINTS: Final = """
    SELECT time, count(DISTINCT "user") AS users, count(DISTINCT session_id) AS sessions
    FROM activity GROUP BY time ORDER BY time
"""
_COLUMNS: Final = """
    any_value(tenant_id) AS tenant_id, sum(calls)::BIGINT AS calls,
    sum(errors)::BIGINT AS errors, sum(cost_usd) AS cost_usd,
    sum(unpriced)::BIGINT AS unpriced, sum(tokens)::BIGINT AS tokens, max(last_seen) AS last_seen
"""
_USERS: Final = """
    SELECT "user" AS name, count(DISTINCT session_id) AS sessions, {columns}
    FROM activity WHERE "user" IS NOT NULL GROUP BY "user"
    ORDER BY cost_usd DESC NULLS LAST, calls DESC LIMIT $top
""".replace("{columns}", _COLUMNS)
_SESSIONS: Final = """
    SELECT session_id AS name, any_value("user") AS "user", min(time) AS since, {columns}
    FROM activity WHERE session_id IS NOT NULL GROUP BY session_id
    ORDER BY last_seen DESC LIMIT $top
""".replace("{columns}", _COLUMNS)
# Only of the sessions that are listed: of every row, these two would take as long as all the rest.
_LENGTHS: Final = """
    SELECT session_id AS name, min(time) AS first_seen,
        max(time + to_microseconds((coalesce(duration_s, 0) * 1e6)::BIGINT)) AS ended
    FROM {calls} WHERE time >= $earliest AND list_contains($names, session_id) GROUP BY session_id
"""


@dataclass(frozen=True)
class Totals:
    """Of the window; the cost of `unpriced` calls is unknown, or known in part."""

    users: int
    sessions: int
    calls: int
    cost_usd: float
    unpriced: int


@dataclass(frozen=True)
class Point:
    """How many were active from `time` on."""

    time: object
    users: int
    sessions: int


@dataclass(frozen=True)
class _Active:
    name: str
    tenant_id: str | None
    calls: int
    errors: int
    cost_usd: float | None
    unpriced: int
    tokens: int
    last_seen: datetime


@dataclass(frozen=True)
class UserRow(_Active):
    """A user's sums."""

    sessions: int


@dataclass(frozen=True)
class SessionRow(_Active):
    """A session's sums; from the start of its first call to the end of its last."""

    user: str | None
    first_seen: datetime
    ended: datetime


@dataclass(frozen=True)
class _Sums(_Active):
    user: str | None
    since: datetime


@dataclass(frozen=True)
class _Length:
    name: str
    first_seen: datetime
    ended: datetime


@dataclass(frozen=True)
class Activity:
    """What the page shows; `before` is of the window before."""

    now: Totals
    before: Totals
    points: list[Point]
    users: list[UserRow]
    sessions: list[SessionRow]


def activity(reader: Reader, top: int = 50) -> Activity:
    """Read all of it."""
    reader.keep("activity", _KEEP, bucket_s=max(reader.filter.bucket_s, 3600))
    return Activity(
        reader.one(_TOTALS, Totals),
        reader.one(_BEFORE, Totals),
        reader.rows(_POINTS, Point),
        reader.rows(_USERS, UserRow, top=top),
        _latest(reader, top),
    )


def _latest(reader: Reader, top: int) -> list[SessionRow]:
    sessions = reader.rows(_SESSIONS, _Sums, top=top)
    if not sessions:
        return []
    lengths = reader.rows(
        _LENGTHS,
        _Length,
        names=[row.name for row in sessions],
        earliest=min(row.since for row in sessions),
    )
    lengths_by_name = {row.name: vars(row) for row in lengths}
    sums = [{key: value for key, value in vars(row).items() if key != "since"} for row in sessions]
    return [SessionRow(**(row | lengths_by_name[row["name"]])) for row in sums]
