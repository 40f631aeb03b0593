"""What stands around every page: menu, heading, window, filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from llm_otel.dashboard.components.filters import filter_bar, ranges
from llm_otel.dashboard.components.spoken import UNHEARD, named, spoken
from llm_otel.dashboard.context import Context, Page
from llm_otel.lake.queries.choices import Choices


def menu(context: Context, pages: Sequence[Page]) -> Any:
    """Links to the pages, the filters with them."""
    links = [
        html.Li(
            dcc.Link(
                [
                    html.Span(className=f"icon icon-{_slug(page)}", **UNHEARD),
                    page.title,
                    spoken(", this page") if page.path == context.path else None,
                ],
                href=context.there(page.path),
                className="menu-link on" if page.path == context.path else "menu-link",
            )
        )
        for page in pages
        if page.in_menu
    ]
    brand = dcc.Link(
        [html.Span(className="mark", **UNHEARD), "llm-otel"],
        href=context.there("/"),
        className="brand",
    )
    pages_ = html.Nav(html.Ul(links), **named("Pages"))
    return html.Div([brand, pages_], className="sidebar-inner")


def _slug(page: Page) -> str:
    return page.path.strip("/") or "overview"


def header(context: Context, page: Page, choices: Choices | None) -> list[Any]:
    """Heading, window, live, theme; the filters where there is something to filter."""
    live = context.state.live
    tools = [
        ranges(context),
        dcc.Link(
            [
                html.Span(className="pulse" if live else "pulse off", **UNHEARD),
                "Live" if live else "Paused",
                spoken(": pause the refresh" if live else ": refresh again"),
            ],
            href=context.here(live="off" if live else None),
            className="button",
        ),
        html.Button(
            html.Span(className="icon icon-theme", **UNHEARD),
            id="theme",
            className="button",
            title="Dark or light",
            **named("Change between dark and light"),
        ),
    ]
    return [
        html.Div(
            [
                html.Div([html.H1(page.title), html.P(page.about, className="muted")]),
                html.Div(tools if page.in_menu else tools[1:], className="row tools"),
            ],
            className="heading",
        ),
        filter_bar(context, choices) if choices is not None and page.in_menu else None,
    ]
