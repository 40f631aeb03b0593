"""The HTML document around a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import htpy as h

from llm_otel.dashboard.context import Context, Page
from llm_otel.version import __version__

# Links and forms ask for the page of their address, and put what differs into this one: a menu
# that is open stays open, and a chart is changed. Nothing here may need code made of text.
_HTMX: Final = json.dumps(
    {
        "includeIndicatorCSS": False,
        "morphIgnore": ["data-htmx-powered", "open"],
        "defaultTimeout": 120_000,
        # What is no page is not put in the place of one: the reader is told, and keeps the page.
        "noSwap": [204, 304, 400, 401, 403, 421, "5xx"],
    }
)
_BOOST: Final = "target:'#app' select:'#app' swap:outerMorph"


def document(
    context: Context,
    page: Page,
    menu: Any,
    header: Sequence[Any],
    content: Sequence[Any],
    live_s: float,
) -> Any:
    """A page as HTML.

    Args:
        context: The request.
        page: Which page.
        menu: The links to all pages.
        header: What stands above the content.
        content: The page's own.
        live_s: Seconds between two readings of a live page.
    """
    return h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="htmx-config", content=_HTMX),
            h.title[f"{' '.join(filter(None, (page.title, context.subject[:8])))} · llm-otel"],
            h.link(rel="icon", href="/assets/icon.svg", type="image/svg+xml"),
            h.link(rel="stylesheet", href=_asset("style.css")),
            # Plotly adds its rules to this one instead of writing a style sheet into the page.
            h.link(rel="stylesheet", href=_asset("plotly.css"), id="plotly.js-style-global"),
            h.script(src=_asset("early.js")),
            [
                h.script(src=_asset(name), defer=True)
                for name in (
                    "htmx.min.js",
                    "plotly-basic.min.js",
                    "charts.js",
                    "app.js",
                    "keys.js",
                    "trace.js",
                )
            ],
        ],
        h.body({"hx-boost:inherited": _BOOST, "hx-sync:inherited": "#app:replace"})[
            h.div(id="app", class_="app", hx_history_elt="", data_page=page.path)[
                h.a(href="#content", class_="skip")["Skip to the content"],
                h.header(id="menu", class_="sidebar")[menu],
                h.div(class_="page")[
                    h.div(id="header", class_="page-header")[header],
                    h.main(id="content", tabindex="-1", aria_busy="false")[content],
                ],
                h.p(id="trouble", class_="notice warn", role="alert", hidden=True),
                _live(context, live_s) if context.state.live and page.in_menu else None,
            ],
        ],
    ]


def _live(context: Context, live_s: float) -> Any:
    """Reads the page again; gives way to what the reader asks for."""
    return h.div(
        {
            "id": "live",
            "hx-get": context.here(),
            "hx-trigger": f"every {round(live_s * 1000)}ms",
            "hx-target": "#content",
            "hx-select": "#content",
            "hx-swap": "outerMorph",
            "hx-sync": "#app:drop",
        }
    )


def _asset(name: str) -> str:
    return f"/assets/{name}?v={__version__}"
