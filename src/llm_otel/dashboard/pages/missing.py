"""An address that is no page."""

from __future__ import annotations

from typing import Any

import htpy as h

from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common


def _read(_context: Context) -> None:
    return None


def _tables(_context: Context, _data: None) -> Tables:
    return {}


def _show(context: Context, _data: None, _tables: Tables, _charts: Charts) -> list[Any]:
    link = h.a(href=context.there("/"), class_="button")["Go to the overview"]
    text = h.p[f"There is nothing at {context.subject}."]
    return [h.section(class_="card empty")[h.h2["No such page"], text, link]]


PAGE = Page(
    "", "Not found", "", _read, _tables, common.no_charts, _show, in_menu=False, needs_calls=False
)
