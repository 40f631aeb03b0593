"""What several pages write the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import duckdb

from llm_otel import formats
from llm_otel.dashboard import failures
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import chart_card, notice
from llm_otel.dashboard.components.tables import Column, Table, table_card, word
from llm_otel.dashboard.context import Charts, Context, Tables
from llm_otel.dashboard.failures import DamagedLakeError
from llm_otel.dashboard.timeline import Timeline, timeline
from llm_otel.lake.queries.callless import Callless

FROM_SPANS: Final = (
    "Figures from the calls alone: metrics know no users, sessions, tags, releases, agents or "
    "parts of an hour. If a service samples its spans, they are less than the whole."
)


def cost_column(*, bar: bool = False) -> Column:
    """The cost of a row, marked where the true one is higher."""
    return Column(
        "Cost",
        lambda r: r.cost_usd,
        formats.money,
        bar=bar,
        least=lambda r: r.unpriced,
    )


def unpriced_column(*, on_page: bool = True) -> Column:
    """How many calls of a row have an unknown or incomplete cost: what marks it in a CSV."""
    return Column(
        "Unpriced",
        lambda r: r.unpriced,
        formats.count,
        tone=lambda r: "warn" if r.unpriced else "",
        on_page=on_page,
    )


def conversation(context: Context, session: str | None) -> str | None:
    """The address of a session; None where there is none."""
    return context.there(f"/sessions/{quote(session, safe='')}") if session else None


def csv_href(context: Context, name: str) -> str:
    """Where the table is saved from, with the same question."""
    pairs = [(key, value) for key, values in context.state.params.items() for value in values]
    return f"/csv/{name}?{urlencode([*pairs, ('of', context.address)])}"


def part(context: Context, title: str, draw: Callable[[], Any]) -> Any:
    """A part of a page, or a card that says why it is not there: the others stay."""
    try:
        return draw()
    except DamagedLakeError:
        raise
    except Exception as error:
        if isinstance(error, duckdb.Error) and context.lake.exclude_damaged(error):
            raise DamagedLakeError from error
        if context.strict:
            raise
        return empty.failed(title, failures.logged(f"{title} of {context.path}", error))


def show(context: Context, tables: Tables, name: str, extra: Any = None) -> Any:
    """A table of the page in its card."""
    return part(
        context,
        f"The table {name}",
        lambda: table_card(tables[name](), csv_href(context, name), extra),
    )


def draw(context: Context, charts: Charts, name: str, extra: Any = None, **look: bool) -> Any:
    """A chart of the page in its card; nothing where there is nothing to draw."""

    def card() -> Any:
        chart = charts[name]()
        return None if chart is None else chart_card(chart, name, extra, **look)

    return part(context, f"The chart {name}", card)


def no_charts(_context: Context, _data: object) -> Charts:
    """Of a page without charts."""
    return {}


def times(context: Context, rows: Sequence[Any], step_s: int | None = None) -> Timeline:
    """The stretches of time that rows with a `time` are of; None: the filter's."""
    window = context.filter
    return timeline(window.since, window.until, step_s or window.bucket_s, rows)


def unknown_choice(context: Context, name: str, allowed: Iterable[str]) -> Any:
    """A word where the address chooses what there is not."""
    value, names = context.state.get(name), list(allowed)
    if not value or value in names:
        return None
    return notice(
        f"There is no {name}={value}, so it was ignored: use one of {', '.join(names)}.", "warn"
    )


def callless_table(rows: list[Callless]) -> Table:
    """The spans that hold no model call, by the reason."""
    return Table(
        f"{formats.count(sum(row.spans for row in rows))} spans hold no model call",
        (
            word("Instrumentation", lambda r: r.scope or "none"),
            Column("Spans", lambda r: r.spans, formats.count, bar=True),
            word("Why", lambda r: r.why),
        ),
        rows,
        "Every span holds one.",
        whole=True,
    )


def source_notice(context: Context, metered: bool, requests: int, traced: int) -> Any:
    """What the figures are made of, where that is not the metrics alone.

    Args:
        context: The request.
        metered: Metrics were asked.
        requests: All of the window.
        traced: Those that are counted by their spans.
    """
    if not metered:
        return notice(FROM_SPANS) if context.filter.only_calls_know else None
    if not traced:
        return None
    if traced < requests:
        return notice(
            f"{formats.count(traced)} of the {formats.count(requests)} requests are counted by "
            "their spans, as no metrics hold them; the others by their services' metrics."
        )
    return notice(
        "Figures from spans alone: no metrics came. If a service samples its spans, they are less "
        "than the whole."
    )
