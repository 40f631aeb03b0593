"""Tables as data: shown as HTML and saved as CSV from the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import bar, card_head
from llm_otel.dashboard.components.times import moment, zoned

_BAR_SHADES: Final = 100


@dataclass(frozen=True)
class Column:
    """One column: `value` reads it from a row, `write` shows it, `link` gives its address.

    `least` says of a row that its true value is unknown and not below the one that is shown. A
    column that is not `on_page` is in the CSV alone.

    `numeric` aligns it on the right; `bar` draws its share of the greatest behind it; `tone` names
    a colour for a value: good, bad, warn or nothing. `sort` is the address of the page sorted by
    it, and how it is sorted now: `ascending`, `descending` or nothing; `title` is all of a value
    that is shown in part; `clip` cuts what is long off.
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
    sort: tuple[str, str] | None = None
    title: Callable[[Any], str | None] | None = None
    clip: bool = False


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
    save = h.a(href=csv_href, class_="button small", aria_label=f"Save {table.title} as CSV",
               download="")["CSV"]  # fmt: skip
    head = card_head(table.title, table.about, extra, save)
    if not table.rows:
        return h.section(class_="card")[head, h.p(class_="empty-line")[table.empty]]
    # A region that scrolls must be reachable by the keyboard.
    scroller = h.div(
        class_="table-scroll whole" if table.whole else "table-scroll",
        tabindex="0",
        role="region",
        aria_label=table.title,
    )[_table(table)]
    return h.section(class_="card")[head, scroller]


def _table(table: Table) -> Any:
    columns = [column for column in table.columns if column.on_page]
    greatest = {
        column.name: max((abs(column.value(row) or 0) for row in table.rows), default=0)
        for column in columns
        if column.bar
    }
    head = h.tr[[_head(column) for column in columns]]
    body = [
        h.tr[[_cell(column, row, greatest.get(column.name)) for column in columns]]
        for row in table.rows
    ]
    return h.table[h.thead[head], h.tbody[body]]


def _head(column: Column) -> Any:
    name = zoned(column.name)
    classes = "num" if column.numeric else ""
    if column.sort is None:
        return h.th(scope="col", class_=classes)[name]
    address, now = column.sort
    sign = {"ascending": " ↑", "descending": " ↓"}.get(now, "")
    return h.th(scope="col", class_=classes, aria_sort=now or None)[
        h.a(href=address, class_="sort")[name, h.span(aria_hidden="true")[sign]]
    ]


def _cell(column: Column, row: Any, greatest: float | None) -> Any:
    value = column.value(row)
    content: Any = column.write(value)
    if isinstance(value, datetime):
        content = moment(value, content)
    if value is not None and column.least is not None and column.least(row):
        content = f"≥ {content}"
    address = column.link(row) if column.link is not None else None
    if address is not None and content != formats.NOTHING:
        content = h.a(href=address)[content]
    tone = column.tone(row) if column.tone is not None else ""
    if tone:
        content = h.span(class_=f"tone {tone}")[content]
    classes = "num" if column.numeric else "clip" if column.clip else ""
    if greatest:
        part = round(abs(value or 0) / greatest * _BAR_SHADES)
        content = [h.span[content], bar(100 - part, part, "cell-bar")]
        classes += " with-bar"
    title = column.title(row) if column.title is not None else None
    return h.td(class_=classes, title=title)[content]
