"""Traces: a list to filter, search and sort, with what was said and what it scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import switch
from llm_otel.dashboard.components.spoken import chosen
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import Reader, overview, previews
from llm_otel.lake.queries.callless import Callless, callless
from llm_otel.lake.queries.overview import Interactions
from llm_otel.lake.queries.previews import NOTHING, Exchange
from llm_otel.lake.queries.trace_list import ORDERS, TIME, TraceRow, traces

_COSTS: Final = {"": "Any cost", "0.01": "≥ $0.01", "0.1": "≥ $0.10", "1": "≥ $1"}
_TIMES: Final = {"": "Any time", "1": "≥ 1 s", "5": "≥ 5 s", "30": "≥ 30 s"}
_SHOWN: Final = 50
# Further back nobody turns pages: a filter is quicker.
_LAST_PAGE: Final = 40
_TONES: Final = {"error": "bad", "cancelled": "warn"}
_PREVIEW: Final = 110
# Column -> its name in the menu, and whether it is there before one chooses.
_COLUMNS: Final = {
    "status": ("Status", True),
    "tenant": ("Tenant", True),
    "duration": ("Duration", True),
    "slowest": ("Slowest call", False),
    "cost": ("Cost", True),
    "in": ("Tokens in", True),
    "out": ("Tokens out", False),
    "calls": ("Calls", False),
    "input": ("Input", True),
    "output": ("Output", True),
    "scores": ("Scores", True),
    "models": ("Models", True),
    "feature": ("Feature", False),
    "user": ("User", False),
    "session": ("Conversation", False),
}
_NO_COLUMN: Final = "none"
_ASCENDING: Final = "ascending"
_WAYS: Final = {"": None, _ASCENDING: True, "descending": False}


@dataclass(frozen=True)
class _Data:
    """What the page shows; all but the first is read when it is drawn."""

    traces: list[TraceRow]
    more: bool
    texts: Lazy[dict[str, Exchange]]
    scores: Lazy[dict[str, dict[str, float]]]
    total: Lazy[Interactions]
    callless: Lazy[list[Callless]]


def _page(context: Context) -> int:
    return min(max(int(context.state.number("page") or 1), 1), _LAST_PAGE)


def _read(context: Context) -> _Data:
    state = context.state
    rows = traces(
        context.reader(),
        state.choice("sort", ORDERS),
        _SHOWN + 1,
        (_page(context) - 1) * _SHOWN,
        ascending=_WAYS[state.choice("order", _WAYS)],
    )
    more, rows = len(rows) > _SHOWN, rows[:_SHOWN]
    times = {row.trace_id: row.time for row in rows}

    def reader() -> Reader:
        return Reader(context.lake, context.filter)

    return _Data(
        rows,
        more,
        Lazy(lambda: previews.exchanges(reader(), times)),
        Lazy(lambda: previews.scored(reader(), times)),
        Lazy(lambda: overview.interactions(context.reader())),
        Lazy(lambda: callless(context.reader())),
    )


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "traces": lambda: _list(context, data),
        "callless": lambda: common.callless_table(data.callless()),
    }


def _list(context: Context, data: _Data) -> Table:
    def of_trace(row: TraceRow) -> str:
        at = row.time.isoformat(timespec="seconds")
        return context.state.to(at=at).href(f"/traces/{row.trace_id}")

    columns = _columns(context, data, of_trace)
    visible = _visible(context, data, columns)
    return Table(
        _total(data),
        (
            word("Time (UTC)", lambda r: r.time, write=formats.when, link=of_trace,
                 sort=_sort(context, TIME)),
            word("Trace", lambda r: r.name or r.trace_id[:12], link=of_trace, clip=True,
                 title=lambda r: r.name),
            *(
                replace(column, on_page=name in visible, sort=_sort(context, name))
                for name, column in columns.items()
            ),
            word("Trace id", lambda r: r.trace_id, on_page=False),
            common.unpriced_column(on_page=False),
        ),
        data.traces,
        "No trace has a call like that. Lower the cost or the time asked for.",
        "What was said is there only where messages were captured.",
        whole=True,
    )  # fmt: skip


def _columns(
    context: Context, data: _Data, of_trace: Callable[[TraceRow], str]
) -> dict[str, Column]:
    """Every column that one may choose, by its name."""

    def question(row: TraceRow) -> str | None:
        return data.texts().get(row.trace_id, NOTHING).question

    def answer(row: TraceRow) -> str | None:
        return data.texts().get(row.trace_id, NOTHING).answer

    def scores(row: TraceRow) -> str | None:
        values = data.scores().get(row.trace_id, {})
        return ", ".join(f"{name} {formats.score(score)}" for name, score in values.items()) or None

    def status(row: TraceRow) -> str:
        return row.error_type or row.status

    return {
        "status": word("Status", status, tone=lambda r: _TONES.get(r.status, "")),
        "tenant": word("Tenant", lambda r: r.tenant_id,
                       link=_here(context, "tenant_id", lambda r: r.tenant_id)),
        "duration": Column("Duration", lambda r: r.duration_s, formats.seconds, bar=True),
        "slowest": Column("Slowest call", lambda r: r.slowest_s, formats.seconds, bar=True),
        "cost": common.cost_column(bar=True),
        "in": Column("Tokens in", lambda r: r.input_tokens, formats.count),
        "out": Column("Tokens out", lambda r: r.output_tokens, formats.count),
        "calls": Column("Calls", lambda r: r.calls, formats.count),
        "input": word("Input", question, write=_short, title=question, link=of_trace, clip=True),
        "output": word("Output", answer, write=_short, title=answer, clip=True),
        "scores": word("Scores", scores),
        "models": word("Models", lambda r: r.models, clip=True),
        "feature": word("Feature", lambda r: r.feature,
                        link=_here(context, "feature", lambda r: r.feature)),
        "user": word("User", lambda r: r.user, link=_here(context, "user", lambda r: r.user)),
        "session": word("Conversation", lambda r: r.session_id,
                        link=lambda r: common.conversation(context, r.session_id)),
    }  # fmt: skip


def _visible(context: Context, data: _Data, columns: dict[str, Column]) -> frozenset[str]:
    """The columns that are shown: a CSV has them all. One that is empty is there if it was chosen
    or is what the list is sorted by."""
    visible = _choice(context)
    if not context.state.all("column"):
        visible -= {
            name
            for name in ("input", "output", "scores")
            if not any(columns[name].value(row) for row in data.traces)
        }
    return visible | {context.state.choice("sort", ORDERS)}


def _here(
    context: Context, name: str, value: Callable[[TraceRow], str | None]
) -> Callable[[TraceRow], str]:
    return lambda row: context.here(**{name: value(row)})


def _short(text: str | None) -> str:
    if not text:
        return formats.NOTHING
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW else f"{line[: _PREVIEW - 1]}…"


def _sort(context: Context, name: str) -> tuple[str, str] | None:
    """The address sorted by a column, the other way round if it is sorted so, and how it is now;
    nothing for a text that has no order."""
    if name not in ORDERS:
        return None
    order = context.state.choice("order", _WAYS)
    upwards = ORDERS[name].ascending if order == "" else order == _ASCENDING
    if context.state.choice("sort", ORDERS) != name:
        return context.here(sort=name, order=None), ""
    way, other = (_ASCENDING, "descending") if upwards else ("descending", _ASCENDING)
    return context.here(sort=name, order=other), way


def _choice(context: Context) -> frozenset[str]:
    names = context.state.all("column")
    return (
        frozenset(names) if names else frozenset(n for n, (_, is_on) in _COLUMNS.items() if is_on)
    )


def _total(data: _Data) -> str:
    total = data.total()
    return f"{'≈ ' if total.roughly else ''}{formats.plural(total.traces, 'trace')}"


def _show(context: Context, data: _Data, tables: Tables, _charts: Charts) -> list[Any]:
    return [
        common.unknown_choice(context, "sort", ORDERS),
        common.unknown_choice(context, "order", filter(None, _WAYS)),
        h.div(class_="row controls")[
            _least(context, "Least cost of a call", "cost", _COSTS),
            _least(context, "Least duration of a call", "duration", _TIMES),
        ],
        common.show(context, tables, "traces", _menu(context)),
        _pages(context, data),
        common.part(
            context,
            "The spans without a call",
            lambda: common.show(context, tables, "callless") if data.callless() else None,
        ),
    ]


def _menu(context: Context) -> Any:
    """A menu of the columns; it stays open while one chooses."""
    visible = _choice(context)

    def address(name: str) -> str:
        names = tuple(n for n in _COLUMNS if (n in visible) != (n == name))
        return context.here(column=names or (_NO_COLUMN,))

    lines = [
        h.li(class_="choice")[
            h.a(href=address(name), class_="option on" if name in visible else "option")[
                h.span(class_="tick", aria_hidden="true"), label, chosen(name in visible)
            ]
        ]
        for name, (label, _) in _COLUMNS.items()
    ]
    return h.details(class_="menu", id="menu-columns")[
        h.summary(class_="button small")["Columns"], h.ul(class_="popover end")[lines]
    ]


def _pages(context: Context, data: _Data) -> Any:
    page = _page(context)
    if page == 1 and not data.more:
        return None
    first = (page - 1) * _SHOWN
    place = f"{first + 1:,}–{first + len(data.traces):,} of {_total(data)}"
    earlier = h.a(href=context.here(page=str(page - 1) if page > 2 else None), class_="button")
    later = h.a(href=context.here(page=str(page + 1)), class_="button")
    return h.nav(class_="row", aria_label="Pages of the list")[
        earlier["‹ Before"] if page > 1 else None,
        h.span(class_="muted")[place],
        later["Next ›"] if data.more and page < _LAST_PAGE else None,
    ]


def _least(context: Context, label: str, name: str, options: dict[str, str]) -> Any:
    """Links that ask for a call of at least so much."""
    start = f"{name}>="
    conditions = context.state.all("where")
    rest = tuple(each for each in conditions if not each.startswith(start))
    current = next((each.removeprefix(start) for each in conditions if each not in rest), "")
    return switch(
        label,
        {
            text: (
                context.here(where=(*rest, f"{start}{value}") if value else rest),
                value == current,
            )
            for value, text in options.items()
        },
    )


PAGE = Page(
    "/traces", "Traces", "One request from end to end", _read, _tables, common.no_charts, _show
)
