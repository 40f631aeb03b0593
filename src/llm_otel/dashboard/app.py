"""The dashboard as a WSGI application: an address is a page, a table of a page, or a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import flask
import htpy as h
from markupsafe import Markup

import llm_otel
import llm_otel.lake
from llm_otel.dashboard import failures, language, pages
from llm_otel.dashboard.components import alerts, document, empty, filters, shell
from llm_otel.dashboard.components.tables import Table, csv_lines
from llm_otel.dashboard.context import Context, Page
from llm_otel.dashboard.feedback import Feedback
from llm_otel.dashboard.guard import protect
from llm_otel.dashboard.keeping import Kept
from llm_otel.dashboard.pages import trace
from llm_otel.dashboard.rating import take_ratings
from llm_otel.dashboard.site import Site
from llm_otel.lake.queries.choices import Choices
from llm_otel.lake.reading import without_damaged
from llm_otel.monthly_budgets import NO_BUDGETS, Budgets

_LIVE_S: Final = 15.0
_TEXT: Final = "text/plain"
_DAY_S: Final = 86_400


def create_app(
    lake: str | os.PathLike[str],
    *,
    token: str | None = None,
    hosts: frozenset[str] = frozenset(),
    price: Callable[..., Any] | None = None,
    clock: Callable[[], datetime] | None = None,
    receiver: Callable[[], str | None] = lambda: None,
    live_s: float = _LIVE_S,
    budgets: Budgets = NO_BUDGETS,
    alertmanager: str | None = None,
) -> flask.Flask:
    """The dashboard over the lake in the folder `lake`.

    Args:
        lake: The lake's folder; one that is not there reads as empty.
        token: What a browser must show once (`?token=`); None: no questions target.
        hosts: Host names that requests may be for; none: any. Keeps other sites' pages from
            reading a local dashboard by a name that they point at it.
        price: As `llm_otel.cost`, for what models would cost; None: that, at list prices.
        clock: The time now, UTC; None: the machine's.
        receiver: Where the lake's receiver takes OTLP over HTTP; None: not known (yet).
        live_s: Seconds between two readings of a live page.
        budgets: What may be spent in a month.
        alertmanager: The URL of the Alertmanager that knows what is firing; None: none is target.

    Raises:
        ConfigError: The lake cannot be read.
    """
    site = Site(llm_otel.lake.open(lake), price, clock, receiver, budgets=budgets)
    application = flask.Flask(
        "llm_otel.dashboard", static_url_path="/assets", static_folder="assets"
    )
    application.config["SEND_FILE_MAX_AGE_DEFAULT"] = _DAY_S
    _save(application, site)
    _search(application, site)
    _alerts(application, site, alertmanager)
    feedback = Feedback(Path(lake), receiver, token)
    take_ratings(application, feedback, lambda: site.context("/", "")[1].now)
    _spans(application, site)
    _draw(application, site, live_s)
    protect(application, token, hosts)
    return application


def _draw(application: flask.Flask, site: Site, live_s: float) -> None:
    memory = Kept()

    @application.get("/", defaults={"path": ""})
    @application.get("/<path:path>")
    def draw(path: str) -> flask.Response:
        """A page, whole: what a browser that is there already needs of it, it takes."""
        page, context = site.context(f"/{path}", flask.request.query_string.decode())
        html = document.document(
            context,
            page,
            shell.menu(context, pages.PAGES),
            shell.header(context, page, _choices(site, context)),
            _content(site, page, context, memory),
            live_s,
        )
        answer = flask.Response(str(html), 200 if page.path else 404, mimetype="text/html")
        if "HX-Boosted" in flask.request.headers:
            # A form sends its empty fields, too.
            answer.headers["HX-Push-Url"] = context.state.href(quote(flask.request.path))
        return answer


def _search(application: flask.Flask, site: Site) -> None:
    @application.get("/search")
    def search() -> Any:
        """From what was typed on the page `of` to the address that it asks for."""
        path, _, query = flask.request.args.get("of", "/").partition("?")
        line = flask.request.args.get("q", "")
        page, context = site.context(path, query)
        target = language.search(line, context.state.to(q=None, page=None), context.now)
        if target.trace is not None:
            return flask.redirect(target.state.shared().href(f"/traces/{target.trace}"), 303)
        # Words are looked for where there is something to read.
        stays = page.in_menu and not target.looks
        address = target.state if stays else target.state.shared()
        if target.mistakes:
            address = address.to(q=line)
        return flask.redirect(address.href(page.path if stays else "/traces"), 303)

    @application.get("/complete")
    def complete() -> flask.Response:
        """How what is typed may go on."""
        line = flask.request.args.get("q", "")
        _, context = site.context("/", "")
        options = _choices(site, context)
        values = filters.values(options) if options else {}
        scores = options.evaluation if options else ()
        lines = language.completions(line, values, scores)
        html = str(h.fragment[[h.option(value=each) for each in lines]])
        return flask.Response(html, mimetype="text/html")


def _alerts(application: flask.Flask, site: Site, url: str | None) -> None:
    @application.get("/alerts")
    def show_alerts() -> flask.Response:
        """What is firing, for the card that asks."""
        _, context = site.context("/", "")
        return flask.Response(
            str(h.fragment[alerts.alerts(url, context.now)]), mimetype="text/html"
        )


def _spans(application: flask.Flask, site: Site) -> None:
    @application.get("/traces/<trace_id>/spans/<span_id>")
    def show_span(trace_id: str, span_id: str) -> flask.Response:
        """What one span says, for the row that asks when it is opened."""
        return _part(site, trace_id, span_id, trace.detail)

    @application.get("/traces/<trace_id>/spans/<span_id>/below")
    def show_below(trace_id: str, span_id: str) -> flask.Response:
        """The rows below one span, for the row that asks when it is unfolded."""
        return _part(site, trace_id, span_id, trace.below)


def _part(
    site: Site, trace_id: str, span_id: str, make: Callable[[Context, str], Any]
) -> flask.Response:
    """A part of the page of a trace, about one span."""
    _, context = site.context(f"/traces/{trace_id}", flask.request.query_string.decode())
    try:
        part = without_damaged(site.lake, lambda: make(context, span_id))
    except Exception as error:  # noqa: BLE001 as on the page
        why = failures.logged(f"the span {span_id}", error)
        part = h.p(class_="tone bad")[f"The span could not be read: {why}"]
    if part is None:
        part = h.p(class_="muted")["This span is not in the lake any more."]
    return flask.Response(str(h.fragment[part]), mimetype="text/html")


def _choices(site: Site, context: Context) -> Choices | None:
    try:
        return without_damaged(site.lake, lambda: site.choices(context.now))
    except Exception as error:  # noqa: BLE001 the page is there without its filters
        failures.logged("the filters", error)
        return None


def _content(site: Site, page: Page, context: Context, memory: Kept) -> Any:
    """What the page shows. A live page of a lake to which nothing came is read once a minute."""
    try:
        now = context.now.replace(second=0, microsecond=0)
        address = (page.path, context.subject, context.state.href(""), context.receiver)
        return Markup(  # noqa: S704 made by htpy, which escapes
            memory.get(
                (now, site.lake.version(), site.lake.damaged()),
                address,
                lambda: str(h.fragment[site.content(page, context)]),
                lambda text: empty.FAILED not in text,
            )
        )
    except Exception as error:  # noqa: BLE001 whatever it was, the page says so
        why = failures.logged(f"the page {page.title}", error)
        return [empty.failed(f"The page {page.title}", why)]


def _table(page: Page, context: Context, name: str) -> Table | None:
    tables = page.tables(context, page.load(context))
    return tables[name]() if name in tables else None


def _save(application: flask.Flask, site: Site) -> None:
    @application.get("/csv/<name>")
    def save_table(name: str) -> flask.Response:
        """One table of the page whose path is in `of`, as CSV."""
        address = flask.request.args
        of = unquote(address.get("of", "/"))
        page, context = site.context(of, flask.request.query_string.decode())
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
