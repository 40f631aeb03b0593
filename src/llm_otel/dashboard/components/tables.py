"""Tables as data: shown as HTML and saved as CSV from the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dash import dcc, html

from llm_otel import formats
from llm_otel.dashboard.components.spoken import named

_BAR_SHADES: Final = 100


@dataclass(frozen=True)
class Column:
    """One column: `value` reads it from a row, `write` shows it, `link` gives its address.

    `least` says of a row that its true value is unknown and not below the one that is shown. A
    column that is not `on_page` is in the CSV alone.

    `numeric` aligns it on the right; `bar` draws its share of the greatest behind it; `tone` names
    a colour for a value: good, bad, warn or nothing.
    """

    name: str
    value: Callable[[Any], Any]
    write: Callable[[Any], str] = formats.text
    link: Callable[[Any], str | None] | None = None
    numeric: bool = True
    bar: bool = False
    tone: Callable[[Any], str] | None = None
    least: Callable[[Any], Any] | None = None
    on_page: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under a title; `empty` says what to do when there are none; a `whole` one is as long
    as it is, another scrolls in its card."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    empty: str = "Nothing here in this window."
    about: str = ""
    whole: bool = False


def word(name: str, value: Callable[[Any], Any], **options: Any) -> Column:
    """A column of text."""
    return Column(name, value, numeric=False, **options)


def csv_lines(table: Table) -> Iterator[str]:
    """The rows as CSV, a piece at a time: full figures, times in ISO 8601."""
    yield _line([column.name for column in table.columns])
    for row in table.rows:
        yield _line([_plain(column.value(row)) for column in table.columns])


def _line(values: list[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(values)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, (list, tuple)):
        return "; ".join(str(each) for each in value)
    # A spreadsheet runs a cell that begins so: names come from telemetry, which anyone can send.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def table_card(table: Table, csv_href: str, extra: Any = None) -> Any:
    """The table in a card, with a link to its CSV; `extra` stands beside the title."""
    head = html.Div(
        [
            html.Div(
                [
                    html.H2(table.title),
                    html.P(table.about, className="muted") if table.about else None,
                ]
            ),
            html.Div(
                [
                    extra,
                    html.A(
                        "CSV",
                        href=csv_href,
                        className="button small",
                        **named(f"Save {table.title} as CSV"),
                    ),
                ],
                className="row",
            ),
        ],
        className="card-head",
    )
    if not table.rows:
        return html.Section([head, html.P(table.empty, className="empty-line")], className="card")
    # A region that scrolls must be reachable by the keyboard.
    scroller = html.Div(
        _table(table),
        className="table-scroll whole" if table.whole else "table-scroll",
        tabIndex="0",
        role="region",
        **named(table.title),
    )
    return html.Section([head, scroller], className="card")


def _table(table: Table) -> Any:
    columns = [column for column in table.columns if column.on_page]
    greatest = {
        column.name: max((abs(column.value(row) or 0) for row in table.rows), default=0)
        for column in columns
        if column.bar
    }
    head = html.Tr(
        [
            html.Th(column.name, scope="col", className="num" if column.numeric else "")
            for column in columns
        ]
    )
    body = [
        html.Tr([_cell(column, row, greatest.get(column.name)) for column in columns])
        for row in table.rows
    ]
    return html.Table([html.Thead(head), html.Tbody(body)])


def _cell(column: Column, row: Any, greatest: float | None) -> Any:
    value = column.value(row)
    content: Any = column.write(value)
    if value is not None and column.least is not None and column.least(row):
        content = f"≥ {content}"
    address = column.link(row) if column.link is not None else None
    if address is not None and content != formats.NOTHING:
        content = dcc.Link(content, href=address)
    tone = column.tone(row) if column.tone is not None else ""
    if tone:
        content = html.Span(content, className=f"tone {tone}")
    classes = "num" if column.numeric else ""
    if greatest:
        part = round(abs(value or 0) / greatest * _BAR_SHADES)
        content = [html.Span(content), html.Span(className="cell-bar", style={"width": f"{part}%"})]
        classes += " with-bar"
    return html.Td(content, className=classes)
