"""An address that is no page."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from llm_otel.dashboard.context import Context, Page, Tables


def _read(_context: Context) -> None:
    return None


def _tables(_context: Context, _data: None) -> Tables:
    return {}


def _show(context: Context, _data: None, _tables: Tables) -> list[Any]:
    link = dcc.Link("Go to the overview", href=context.there("/"), className="button")
    text = html.P(f"There is nothing at {context.subject}.")
    return [html.Section([html.H2("No such page"), text, link], className="card empty")]


PAGE = Page("", "Not found", "", _read, _tables, _show, in_menu=False, needs_calls=False)
