"""Traces: a list that can be filtered and sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import traces
from llm_otel.lake.queries.callless import Callless, callless
from llm_otel.lake.queries.traces import TraceRow

_LABELS: Final = {
    "newest": "Newest",
    "oldest": "Oldest",
    "cost": "Most expensive",
    "latency": "Slowest",
    "tokens": "Most tokens",
}
_COSTS: Final = {"": "Any cost", "0.01": "≥ $0.01", "0.1": "≥ $0.10", "1": "≥ $1"}
_TIMES: Final = {"": "Any time", "1": "≥ 1 s", "5": "≥ 5 s", "30": "≥ 30 s"}
_SHOWN: Final = 50
_TONES: Final = {"error": "bad", "cancelled": "warn"}


@dataclass(frozen=True)
class _Data:
    """What the page shows; the second is read when it is drawn."""

    traces: list[TraceRow]
    callless: Lazy[list[Callless]]


def _read(context: Context) -> _Data:
    state = context.state
    rows = traces.traces(
        context.reader(),
        state.choice("sort", traces.ORDERS),
        _SHOWN,
        state.number("cost"),
        state.number("seconds"),
    )
    return _Data(rows, Lazy(lambda: callless(context.reader())))


def _tables(context: Context, data: _Data) -> Tables:
    def of_trace(row: TraceRow) -> str:
        return context.there(f"/traces/{row.trace_id}", at=row.time.isoformat(timespec="seconds"))

    return {
        "traces": lambda: Table(
            _title(context, len(data.traces)),
            (
                word("Time (UTC)", lambda r: r.time, write=formats.when, link=of_trace),
                word("Trace", lambda r: r.name or r.trace_id[:12], link=of_trace),
                word("Status", lambda r: r.status, tone=lambda r: _TONES.get(r.status, "")),
                Column("Duration", lambda r: r.duration_s, formats.seconds, bar=True),
                common.cost_column(bar=True),
                Column("Tokens in", lambda r: r.input_tokens, formats.count),
                Column("Tokens out", lambda r: r.output_tokens, formats.count),
                Column("Calls", lambda r: r.calls, formats.count),
                common.unpriced_column(on_page=False),
                word("Models", lambda r: r.models),
                word(
                    "Feature", lambda r: r.feature, link=lambda r: context.here(feature=r.feature)
                ),
                word(
                    "Tenant",
                    lambda r: r.tenant_id,
                    link=lambda r: context.here(tenant_id=r.tenant_id),
                ),
                word("User", lambda r: r.user, link=lambda r: context.here(user=r.user)),
                word(
                    "Session",
                    lambda r: r.session_id,
                    link=lambda r: context.here(session=r.session_id),
                ),
            ),
            data.traces,
            "No trace has a call like that. Lower the cost or the time asked for.",
            whole=True,
        ),
        "callless": lambda: common.callless_table(data.callless()),
    }


def _title(context: Context, size: int) -> str:
    what = "calls" if context.state.choice("sort", traces.ORDERS) in traces.FIGURES else "traces"
    return f"{size} {what}" if size < _SHOWN else f"The first {_SHOWN} {what}"


def _show(context: Context, data: _Data, tables: Tables, _charts: Charts) -> list[Any]:
    order = context.state.choice("sort", traces.ORDERS)
    sorts = {label: (context.here(sort=key), key == order) for key, label in _LABELS.items()}
    return [
        common.unknown_choice(context, "sort", traces.ORDERS),
        h.div(class_="row controls")[
            switch("Sort by", sorts),
            _least(context, "Least cost of a call", "cost", _COSTS),
            _least(context, "Least duration of a call", "seconds", _TIMES),
        ],
        common.show(context, tables, "traces"),
        common.part(
            context,
            "The spans without a call",
            lambda: common.show(context, tables, "callless") if data.callless() else None,
        ),
    ]


def _least(context: Context, label: str, name: str, options: dict[str, str]) -> Any:
    current = context.state.get(name)
    return switch(
        label,
        {
            text: (context.here(**{name: value or None}), value == current)
            for value, text in options.items()
        },
    )


PAGE = Page(
    "/traces", "Traces", "One request from end to end", _read, _tables, common.no_charts, _show
)
