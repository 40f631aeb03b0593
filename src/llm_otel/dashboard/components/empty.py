"""What a page says when it has nothing to show: what to do."""

from __future__ import annotations

from typing import Any, Final

from dash import dcc, html

_START: Final = (
    ("Instrument a program", "pip install llm-otel\n\nimport llm_otel\nllm_otel.instrument()"),
    ("Or look around with made-up history", "llm-otel demo --history 30d"),
)
# Where instrument() looks by itself.
_USUAL: Final = "http://127.0.0.1:4318"
# Which page lacks what -> title, sentence, code.
HINTS: Final = {
    "scores": (
        "No scores in this window",
        "Score an answer where you judge it, and its quality is drawn here.",
        'llm_otel.score("relevance", 0.87)',
    ),
    "outcomes": (
        "No outcomes in this window",
        "Tell what came of an interaction, and what it was worth.",
        'llm_otel.outcome(success=True, kind="ticket_resolved", value_usd=1.9)',
    ),
    "users": (
        "Nobody is named in this window",
        "Name the user of a call. User ids are hashed, or off, unless you choose otherwise.",
        "with llm_otel.attribution(user_id=user, session_id=session):\n    answer(question)",
    ),
}


def no_data(receiver: str | None) -> Any:
    """The lake is empty.

    Args:
        receiver: Where its receiver takes OTLP over HTTP; None: there is none that is known here.
    """
    steps = [
        html.Li([html.H3(title), html.Pre(html.Code(code))], className="step")
        for title, code in _START
    ]
    return html.Section(
        [html.H2("No calls yet"), html.P(_where(receiver)), html.Ol(steps, className="steps")],
        className="card empty",
    )


def _where(receiver: str | None) -> str:
    fills = "This page fills itself as soon as a program sends OTLP"
    if receiver is None:
        return f"{fills} to the receiver of this lake: `llm-otel serve` says where it listens."
    if receiver == _USUAL:
        return f"{fills} here: {receiver}, which instrument() finds without any setting."
    return f"{fills} here: {receiver}. Set OTEL_EXPORTER_OTLP_ENDPOINT={receiver} for that program."


def nothing_matches(widen: str, clear: str, filtered: bool) -> Any:
    """There are calls, but not here."""
    links = [dcc.Link("Look at the last 90 days", href=widen, className="button")]
    if filtered:
        links.insert(0, dcc.Link("Clear the filters", href=clear, className="button"))
    return html.Section(
        [
            html.H2("No calls match"),
            html.P("There are calls in the lake, but none in this window with these filters."),
            html.Div(links, className="row"),
        ],
        className="card empty",
    )


def hint(name: str) -> Any:
    """A page's own: how to send what it needs."""
    title, sentence, code = HINTS[name]
    return html.Section(
        [html.H2(title), html.P(sentence), html.Pre(html.Code(code))], className="card empty"
    )


def failed(what: str, why: str) -> Any:
    """A page, or a part of one, could not be drawn."""
    return html.Section(
        [
            html.H2(f"{what} could not be drawn"),
            html.P(why),
            html.P("The log of the dashboard says the same.", className="muted"),
        ],
        className="card empty",
        role="alert",
    )
