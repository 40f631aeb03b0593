"""Who uses it: activity, top users, top sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llm_otel.lake.queries.reader import Reader

# One pass: everything else is summed from a row per point, user and session.
_KEEP: Final = """
    SELECT time_bucket(to_seconds($activity_s), time) AS time, "user", session_id, tenant_id,
        count(*) AS calls, count(*) FILTER (status = 'error') AS errors,
        sum(cost_usd) AS cost_usd,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) AS tokens,
        min(time) AS first_seen, max(time) AS last_seen
    FROM {calls} WHERE "user" IS NOT NULL OR session_id IS NOT NULL GROUP BY ALL
"""
_TOTALS: Final = """
    SELECT count(DISTINCT "user") AS users, count(DISTINCT session_id) AS sessions,
        coalesce(sum(calls), 0)::BIGINT AS calls, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM activity
"""
_POINTS: Final = """
    SELECT time, count(DISTINCT "user") AS users, count(DISTINCT session_id) AS sessions
    FROM activity GROUP BY time ORDER BY time
"""
_COLUMNS: Final = """
    any_value(tenant_id) AS tenant_id, sum(calls)::BIGINT AS calls,
    sum(errors)::BIGINT AS errors, sum(cost_usd) AS cost_usd, sum(tokens)::BIGINT AS tokens,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
"""
_USERS: Final = """
    SELECT "user" AS name, count(DISTINCT session_id) AS sessions, {columns}
    FROM activity WHERE "user" IS NOT NULL GROUP BY "user"
    ORDER BY cost_usd DESC NULLS LAST, calls DESC LIMIT $top
""".replace("{columns}", _COLUMNS)
_SESSIONS: Final = """
    SELECT session_id AS name, any_value("user") AS "user", {columns}
    FROM activity WHERE session_id IS NOT NULL GROUP BY session_id
    ORDER BY last_seen DESC LIMIT $top
""".replace("{columns}", _COLUMNS)


@dataclass(frozen=True)
class Totals:
    """Of the window."""

    users: int
    sessions: int
    calls: int
    cost_usd: float


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
    tokens: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class UserRow(_Active):
    """A user's sums."""

    sessions: int


@dataclass(frozen=True)
class SessionRow(_Active):
    """A session's sums."""

    user: str | None


@dataclass(frozen=True)
class Activity:
    """What the page shows."""

    now: Totals
    before: Totals | None
    points: list[Point]
    users: list[UserRow]
    sessions: list[SessionRow]


def activity(reader: Reader, top: int = 50) -> Activity:
    """Read all of it."""
    reader.keep("activity", _KEEP, activity_s=max(reader.filter.bucket_s, 3600))
    return Activity(
        reader.one(_TOTALS, Totals),
        None,
        reader.rows(_POINTS, Point),
        reader.rows(_USERS, UserRow, top=top),
        reader.rows(_SESSIONS, SessionRow, top=top),
    )
