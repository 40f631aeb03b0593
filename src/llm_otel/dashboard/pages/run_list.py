"""The list of an agent's runs, or of all: sorted by its columns, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import notice
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries.agents import ORDERS, Figures, Run, Which

_ABOUT: Final = (
    "With everything below a run, other agents' runs with it; in a row are one tool's calls "
    "by the run itself, one after the other."
)
_SHOWN: Final = 50
_LAST_PAGE: Final = 40
_ASCENDING: Final = "ascending"
_WAYS: Final = {"": False, "descending": False, _ASCENDING: True}


def agent_address(context: Context, kind: str, name: str) -> str:
    """The page of one agent or workflow."""
    return context.there(f"/agents/{quote(name, safe='')}", kind=kind)


def which(context: Context, code: int, limit: int) -> Which:
    """The runs that the address asks for."""
    state = context.state
    most = state.number("most")
    return Which(
        code,
        int(min(state.number("least") or 0, 2**62)),
        2**62 if most is None else int(min(most, 2**62)),
        limit,
        looping=state.get("only") == "loops",
        failing=state.get("only") == "failed",
    )


def page_of_runs(context: Context, figures: Figures, selection: Which) -> list[Run]:
    """The runs of the list's page."""
    return figures.runs(
        selection,
        context.state.choice("sort", ORDERS),
        _SHOWN,
        (_page(context) - 1) * _SHOWN,
        ascending=_WAYS[context.state.choice("order", _WAYS)],
    )


def runs_table(
    context: Context,
    title: str,
    rows: list[Run],
    *,
    with_agent: bool,
    sortable: bool,
    empty: str,
    about: str = _ABOUT,
) -> Table:
    """Runs as a table.

    Args:
        context: The request.
        title: Of the table.
        rows: The runs.
        with_agent: Whether it says of which agent each is.
        sortable: Whether the heads sort the page's list.
        empty: What it says without any.
        about: The line under the title.
    """

    def sort(name: str) -> tuple[str, str] | None:
        return _sort(context, name) if sortable else None

    agent = word("Agent", lambda r: r.name, clip=True,
                 link=lambda r: agent_address(context, r.kind, r.name))  # fmt: skip
    return Table(
        title,
        (
            word("Time (UTC)", lambda r: r.time, write=formats.when,
                 link=lambda r: _trace(context, r), sort=sort("time")),
            *([agent] if with_agent else []),
            word("Status", _status, tone=lambda r: "bad" if r.failed else "", sort=sort("status")),
            Column("Duration", lambda r: r.duration_s, formats.seconds, bar=True,
                   sort=sort("duration")),
            Column("Model calls", lambda r: r.calls, formats.count, bar=True, sort=sort("calls")),
            Column("Tool calls", lambda r: r.tools, formats.count, sort=sort("tools")),
            word("In a row", _streak, sort=sort("streak")),
            Column("Tokens", lambda r: r.tokens, formats.count, sort=sort("tokens")),
            Column("Cost", lambda r: r.cost_usd, formats.money, bar=True,
                   least=lambda r: r.unpriced, sort=sort("cost")),
            word("Tools", _tools, clip=True, title=lambda r: ", ".join(_tools(r)) or None),
            word("Tenant", lambda r: r.tenant_id),
            word("Trace id", lambda r: r.trace_id, on_page=False),
            common.unpriced_column(on_page=False),
        ),
        rows,
        empty,
        about,
        whole=sortable,
    )  # fmt: skip


def _trace(context: Context, row: Run) -> str | None:
    if row.trace_id is None:
        return None
    at = row.time.isoformat(timespec="seconds")
    return context.there(f"/traces/{row.trace_id}", at=at)


def _status(row: Run) -> str:
    return row.error_type or ("error" if row.failed else "ok")


def _streak(row: Run) -> str | None:
    return f"{row.streak_tool} × {row.streak}" if row.streak > 1 else None


def _tools(row: Run) -> list[str]:
    return [f"{name} × {times}" if times > 1 else name for name, times in row.used.items()]


def _sort(context: Context, name: str) -> tuple[str, str]:
    """The address sorted by a column, the other way round if it is sorted so, and how it is."""
    upwards = _WAYS[context.state.choice("order", _WAYS)]
    if context.state.choice("sort", ORDERS) != name:
        return context.here(sort=name, order=None), ""
    way, other = (_ASCENDING, "descending") if upwards else ("descending", _ASCENDING)
    return context.here(sort=name, order=other), way


def narrowed(context: Context, selection: Which) -> Any:
    """That the list has not all runs, with the way back."""
    words = []
    if selection.least or selection.most < 2**62:
        words.append(f"with {calls_between(selection.least, selection.most)}")
    if selection.failing:
        words.append("that failed")
    if selection.looping:
        words.append("that loop")
    if not words:
        return None
    every = h.a(href=context.here(least=None, most=None, only=None))["list every run"]
    return notice([f"The list has only the runs {' and '.join(words)}: ", every, "."])


def calls_between(least: int, most: int | None) -> str:
    """So many model calls, in words."""
    if most is None or most >= 2**62:
        return f"{least:,} model calls or more"
    if least == most:
        return formats.plural(least, "model call")
    return f"{least:,} to {most:,} model calls"


def _page(context: Context) -> int:
    return min(max(int(context.state.number("page") or 1), 1), _LAST_PAGE)


def pages(context: Context, size: int, total: Callable[[], int]) -> Any:
    """Links to the list's pages before and after."""
    page = _page(context)
    first = (page - 1) * _SHOWN
    if first + size >= total() and page == 1:
        return None
    earlier = h.a(href=context.here(page=str(page - 1) if page > 2 else None), class_="button")
    later = h.a(href=context.here(page=str(page + 1)), class_="button")
    has_more = first + size < total() and page < _LAST_PAGE
    return h.nav(class_="row", aria_label="Pages of the list")[
        earlier["‹ Before"] if page > 1 else None,
        h.span(class_="muted")[
            f"{first + 1:,}–{first + size:,} of {formats.plural(total(), 'run')}"
        ],
        later["Next ›"] if has_more else None,
    ]
