"""What stands around every page: menu, heading, window, filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import htpy as h

from llm_otel.dashboard.components.filters import filter_bar, ranges, search_line
from llm_otel.dashboard.components.spoken import spoken
from llm_otel.dashboard.context import Context, Page
from llm_otel.lake.queries.choices import Choices


def menu(context: Context, pages: Sequence[Page]) -> Any:
    """Links to the pages, the filters with them."""
    links = [
        h.li[
            h.a(
                href=context.there(page.path),
                class_="menu-link on" if page.path == context.path else "menu-link",
            )[
                h.span(class_=f"icon icon-{_slug(page)}", aria_hidden="true"),
                page.title,
                spoken(", this page") if page.path == context.path else None,
            ]
        ]
        for page in pages
        if page.in_menu
    ]
    brand = h.a(href=context.there("/"), class_="brand")[
        h.span(class_="mark", aria_hidden="true"), "llm-otel"
    ]
    pages_ = h.nav(aria_label="Pages")[h.ul[links]]
    return h.div(class_="sidebar-inner")[brand, pages_]


def _slug(page: Page) -> str:
    return page.path.strip("/") or "now"


def header(context: Context, page: Page, choices: Choices | None) -> list[Any]:
    """Heading, window, live, theme; the filters where there is something to filter."""
    live = context.state.live
    tools = [
        ranges(context),
        h.a(href=context.here(live="off" if live else None), class_="button")[
            h.span(class_="pulse" if live else "pulse off", aria_hidden="true"),
            "Live" if live else "Paused",
            spoken(": pause the refresh" if live else ": refresh again"),
        ],
        h.button(id="zone", class_="button", title="UTC or local time", aria_label="Times in UTC")[
            "UTC"
        ],
        h.button(
            id="theme",
            class_="button",
            title="Dark or light",
            aria_label="Change between dark and light",
        )[h.span(class_="icon icon-theme", aria_hidden="true")],
    ]
    return [
        h.div(class_="heading")[
            h.div[h.h1[page.title], h.p(class_="muted")[page.about]],
            h.div(class_="row tools")[tools if page.in_menu else tools[2:]],
        ],
        filter_bar(context, choices) if page.in_menu else search_line(context),
    ]
