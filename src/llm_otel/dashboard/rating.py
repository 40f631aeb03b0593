"""Taking a rating from a page's form: from the dashboard's own pages alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import flask

from llm_otel import semconv
from llm_otel.dashboard.feedback import BEST, WORST, Feedback, Rating
from llm_otel.dashboard.pages.trace import PAGE as TRACE
from llm_otel.dashboard.state import State
from llm_otel.errors import ConfigError

_logger = logging.getLogger("llm_otel.dashboard")

_TRACE: Final = re.compile(r"[0-9a-f]{32}")
_SPAN: Final = re.compile(r"[0-9a-f]{16}")
_TEXT: Final = "text/plain"
# Of these the queue remembers that they are rated until the lake shows it.
_REMEMBERED: Final = 20
_LONGEST: Final = 256
_LARGEST_FORM: Final = 64 << 10
_LONGEST_NOTE: Final = 500


def take_ratings(application: flask.Flask, feedback: Feedback, now: Callable[[], datetime]) -> None:
    """Answer `POST /rate`: store the rating, and go back to the page of the field `back`."""

    @application.post("/rate")
    def rate() -> Any:
        flask.request.max_content_length = _LARGEST_FORM
        if not _is_own(flask.request):
            return _refused("A rating is taken from the dashboard's own pages alone.", 403)
        form = flask.request.form
        back = State.parse(form.get("back", "").partition("?")[2]).to(failed=None, rated=None)
        try:
            rating = _rating(form, now())
        except ValueError as error:
            return _refused(f"This is no rating: {error}.", 400)
        try:
            feedback.store(rating)
        except ConfigError as error:
            _logger.warning("%s", error)
            return _to(form, rating, back.to(failed="1"))
        if form.get("back", "").startswith(TRACE.path):
            return _to(form, rating, back.to(rated="1"))
        traces = (*back.all("done"), rating.trace_id)[-_REMEMBERED:]
        return _to(form, rating, back.to(done=traces))


def _to(form: Any, rating: Rating, state: State) -> Any:
    """Back to the trace, or to the queue of those that are not rated yet."""
    if form.get("back", "").startswith(TRACE.path):
        return flask.redirect(f"{state.href(TRACE.path + rating.trace_id)}#feedback", 303)
    return flask.redirect(state.href("/label"), 303)


def _refused(why: str, status: int) -> flask.Response:
    return flask.Response(f"{why}\n", status, mimetype=_TEXT)


def _is_own(request: flask.Request) -> bool:
    """Whether a page of this very dashboard sent it: browsers say where a form comes from."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc == request.host


def _rating(form: Any, now: datetime) -> Rating:
    """The fields as a rating.

    Raises:
        ValueError: One of them is wrong.
    """
    value = form.get("value", "")
    if value not in map(str, range(WORST, BEST + 1)):
        raise ValueError(f"the value is a number from {WORST} to {BEST}")
    trace_id, span_id = form.get("trace_id", ""), form.get("span_id", "")
    if not _TRACE.fullmatch(trace_id) or (span_id and not _SPAN.fullmatch(span_id)):
        raise ValueError("it needs the ids of a trace and a span")
    evaluation = form.get("evaluation", "")
    if not semconv.well_formed(semconv.EVALUATION, evaluation):
        raise ValueError("it needs the name of an evaluation")
    about = {
        name: form.get(name, "")[:_LONGEST] or None
        for name in ("service", "model", "feature", "tenant_id")
    }
    note = form.get("note", "").strip()[:_LONGEST_NOTE] or None
    return Rating(now, evaluation, int(value), trace_id, span_id or None, **about, note=note)
