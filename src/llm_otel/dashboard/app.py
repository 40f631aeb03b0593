"""The Dash application: callbacks that turn an address into a page, and its tables as CSV."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import flask
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

import llm_otel
import llm_otel.lake
from llm_otel.dashboard import failures, pages
from llm_otel.dashboard.components import empty, shell
from llm_otel.dashboard.components.plain import plain
from llm_otel.dashboard.components.tables import Table, csv_lines
from llm_otel.dashboard.context import Context, Page
from llm_otel.dashboard.guard import protect
from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State as Address
from llm_otel.lake.queries import choices
from llm_otel.lake.reading import without_damaged

_LIVE_MS: Final = 15_000
_TEXT: Final = "text/plain"
_BUSY: Final[Any] = {"aria-busy": "true"}
_INDEX: Final = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
{%css%}
<script src="/assets/theme.js"></script>
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def create_app(
    lake: str | os.PathLike[str],
    *,
    token: str | None = None,
    hosts: frozenset[str] = frozenset(),
    price: Callable[..., Any] | None = None,
    clock: Callable[[], datetime] | None = None,
    receiver: Callable[[], str | None] = lambda: None,
    live_ms: int = _LIVE_MS,
) -> Dash:
    """The dashboard over the lake in the folder `lake`; `.server` is its WSGI application.

    Args:
        lake: The lake's folder; one that is not there reads as empty.
        token: What a browser must show once (`?token=`); None: no questions asked.
        hosts: Host names that requests may be for; none: any. Keeps other sites' pages from
            reading a local dashboard by a name that they point at it.
        price: As `llm_otel.cost`, for what models would cost; None: that, at list prices.
        clock: The time now, UTC; None: the machine's.
        receiver: Where the lake's receiver takes OTLP over HTTP; None: not known (yet).
        live_ms: Milliseconds between two readings of a live page.

    Raises:
        ConfigError: The lake cannot be read.
    """
    opened = llm_otel.lake.open(lake)
    application = Dash(
        "llm_otel.dashboard",
        title="llm-otel",
        update_title="",
        index_string=_INDEX,
        assets_folder=str(Path(__file__).parent / "assets"),
        assets_ignore=r"theme\.js",
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        serve_locally=True,
        enable_mcp=False,
        # Dash's own health page and log handler are not needed: serve has its own.
        add_log_handler=False,
    )
    site = Site(opened, price, clock, receiver)
    application.layout = _layout(live_ms)
    _connect(application, site)
    _save(application.server, site)
    protect(application, token, hosts)
    return application


def _layout(live_ms: int) -> Any:
    return html.Div(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=live_ms),
            html.A("Skip to the content", href="#content", className="skip"),
            html.Header(id="menu", className="sidebar"),
            html.Div(
                [
                    html.Div(id="header", className="page-header"),
                    html.Main(id="content", tabIndex="-1", **_BUSY),
                ],
                className="page",
            ),
        ],
        className="app",
    )


def _connect(application: Dash, site: Site) -> None:
    @application.callback(
        Output("menu", "children"),
        Output("header", "children"),
        Output("tick", "disabled"),
        Input("url", "pathname"),
        Input("url", "search"),
    )
    def draw_frame(path: str | None, search: str | None) -> tuple[Any, Any, bool]:
        page, context = site.context(path, search)
        choices_: choices.Choices | None = None
        try:
            choices_ = without_damaged(site.lake, lambda: site.choices(context.now))
        except Exception as error:  # noqa: BLE001 the page is there without its filters
            failures.logged("the filters", error)
        menu = shell.menu(context, pages.PAGES)
        header = shell.header(context, page, choices_)
        return plain(menu), plain(header), not context.state.live

    @application.callback(
        Output("content", "children"),
        Output("content", "aria-busy"),
        Input("url", "pathname"),
        Input("url", "search"),
        Input("tick", "n_intervals"),
    )
    def draw_page(path: str | None, search: str | None, _tick: int | None) -> tuple[Any, str]:
        page, context = site.context(path, search)
        try:
            content = site.content(page, context)
        except Exception as error:  # noqa: BLE001 whatever it was, the page says so
            why = failures.logged(f"the page {page.title}", error)
            content = [empty.failed(f"The page {page.title}", why)]
        return plain(content), "false"

    @application.callback(
        Output("url", "search"),
        Input({"type": "field", "name": ALL}, "value"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def set_field(_values: list[str | None], search: str | None) -> Any:
        before = Address.parse(search)
        after = before
        for field in ctx.inputs_list[0]:
            after = after.to(**{field["id"]["name"]: (field.get("value") or "").strip() or None})
        is_new = ctx.triggered and after.params != before.params
        return after.href("") if is_new else no_update


def _table(page: Page, context: Context, name: str) -> Table | None:
    tables = page.tables(context, page.load(context))
    return tables[name]() if name in tables else None


def _save(server: flask.Flask, site: Site) -> None:
    @server.get("/csv/<name>")
    def save_table(name: str) -> flask.Response:
        """One table of the page whose path is in `of`, as CSV."""
        address = flask.request.args
        page, context = site.context(address.get("of"), flask.request.query_string.decode())
        mistakes = context.state.mistakes(context.now)
        if mistakes:
            lines = "".join(f"{mistake}\n" for mistake in mistakes)
            return flask.Response(lines, 400, mimetype=_TEXT)
        try:
            table = without_damaged(site.lake, lambda: _table(page, context, name))
            if table is None:
                return flask.Response(f"This page has no table {name!r}.\n", 404, mimetype=_TEXT)
        except Exception as error:  # noqa: BLE001 as on the page
            what = f"The table {name} of the page {page.title}"
            why = f"{what} could not be read: {failures.logged(what, error)}\n"
            return flask.Response(why, 503, mimetype=_TEXT)
        return flask.Response(
            csv_lines(table),
            mimetype="text/csv",
            headers={"Content-Disposition": f'attachment; filename="llm-otel-{name}.csv"'},
        )
