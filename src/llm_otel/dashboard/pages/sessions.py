"""Conversations: sessions and their users; who uses it, how often, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import figure_card, figures, grid
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import sessions
from llm_otel.lake.queries.filters import HOUR
from llm_otel.lake.queries.sessions import Activity


def _read(context: Context) -> Activity:
    return sessions.activity(context.reader())


def _tables(context: Context, data: Activity) -> Tables:
    sums = (
        Column("Calls", lambda r: r.calls, formats.count, bar=True),
        Column("Errors", lambda r: r.errors, formats.count),
        Column("Tokens", lambda r: r.tokens, formats.count),
        common.cost_column(bar=True),
        common.unpriced_column(),
    )
    tenant = word("Tenant", lambda r: r.tenant_id)
    last = word("Last seen (UTC)", lambda r: r.last_seen, write=formats.when)
    return {
        "users": lambda: Table(
            "Top users",
            (
                word(
                    "User", lambda r: r.name, link=lambda r: context.there("/traces", user=r.name)
                ),
                tenant,
                Column("Sessions", lambda r: r.sessions, formats.count),
                *sums,
                last,
            ),
            data.users,
            about="By cost",
        ),
        "sessions": lambda: Table(
            "Latest sessions",
            (
                word(
                    "Session",
                    lambda r: r.name,
                    link=lambda r: common.conversation(context, r.name),
                ),
                word("User", lambda r: r.user),
                tenant,
                *sums,
                Column(
                    "Length",
                    lambda r: (r.ended - r.first_seen).total_seconds(),
                    formats.seconds,
                ),
                last,
            ),
            data.sessions,
        ),
    }


class _Series:
    """Users and sessions over time."""

    def __init__(self, context: Context, data: Activity) -> None:
        self.line = common.times(context, data.points, max(context.filter.bucket_s, HOUR))
        self.users = self.line.sums(data.points, lambda p: p.users)
        self.sessions = self.line.sums(data.points, lambda p: p.sessions)


def _plots(context: Context, data: Activity) -> Charts:
    if _is_empty(data):
        return {}
    series = _Series(context, data)

    def chart(name: str, values: list[float], colour: str) -> Chart:
        figure = charts.bars(series.line, {name: values}, "count", (colour,))
        says = f"at most {max(values, default=0):.0f}"
        to, step_s = context.there("/traces"), series.line.step_s
        return Chart(f"Active {name}", figure, says, series.line.about, to=to, step_s=step_s)

    return {
        "users": lambda: chart("users", series.users, charts.PALETTE[0]),
        "sessions": lambda: chart("sessions", series.sessions, charts.PALETTE[1]),
    }


def _is_empty(data: Activity) -> bool:
    return not data.now.users and not data.now.sessions


def _show(context: Context, data: Activity, tables: Tables, plots: Charts) -> list[Any]:
    if _is_empty(data):
        return [empty.hint("users")]

    def cards() -> Any:
        series = _Series(context, data)
        trend = series.line.trend
        return figures(_cards(data, trend(series.users), trend(series.sessions)))

    return [
        common.part(context, "The figures", cards),
        grid([common.draw(context, plots, name) for name in plots]),
        common.show(context, tables, "users"),
        common.show(context, tables, "sessions"),
    ]


def _cards(
    data: Activity, users: Sequence[float | None], visits: Sequence[float | None]
) -> list[Any]:
    now, before = data.now, data.before
    cost, calls = _mean(now.cost_usd, now.users), _mean(now.calls, now.sessions)
    visits_of_user = _mean(now.sessions, now.users)
    return [
        figure_card(
            "Users",
            formats.count(now.users),
            change=change(now.users, before.users),
            note="in this window",
            spark=users,
        ),
        figure_card(
            "Sessions",
            formats.count(now.sessions),
            change=change(now.sessions, before.sessions),
            note="" if visits_of_user is None else f"{visits_of_user:.1f} a user",
            spark=visits,
        ),
        figure_card(
            "Calls of a session",
            formats.NOTHING if calls is None else f"{calls:.1f}",
            change=change(calls, _mean(before.calls, before.sessions)),
            note=f"{formats.count(now.calls)} calls",
        ),
        figure_card(
            "Cost of a user",
            formats.cost(cost, now.unpriced),
            change=change(cost, _mean(before.cost_usd, before.users)),
            good=-1,
            note=f"{formats.cost(now.cost_usd, now.unpriced)} in all",
        ),
    ]


def _mean(all_of: float, parts: int) -> float | None:
    return all_of / parts if parts else None


PAGE = Page(
    "/sessions",
    "Conversations",
    "Sessions and users: who uses it, and how much",
    _read,
    _tables,
    _plots,
    _show,
)
