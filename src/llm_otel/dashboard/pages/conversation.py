"""One session, read as a conversation: what was asked and answered, with what, for how much."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import figure_card, figures
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.components.times import moment
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import Filter, Reader, previews
from llm_otel.lake.queries.previews import Sums, Turn

_HIDDEN = (
    "What was said is not kept: messages were not captured. "
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT does that; see the page on privacy."
)


class _Data:
    """All of the session in sum, and its newest turns."""

    def __init__(self, context: Context) -> None:
        window = context.filter
        selection = Filter(window.since, window.until, session=(context.subject,))
        reader = Reader(context.lake, selection, timedelta())
        self.sums = previews.sums(reader)
        self.turns = previews.turns(reader)


def _tables(_context: Context, data: _Data) -> Tables:
    return {
        "turns": lambda: Table(
            "Turns",
            (
                word("Time (UTC)", lambda t: t.sums.time, write=formats.when),
                word("Asked", lambda t: t.texts.question),
                word("Answered", lambda t: t.texts.answer),
                word("Tools", lambda t: t.tools),
                word("Error", lambda t: t.sums.error_type),
                Column("Duration", lambda t: t.sums.duration_s, formats.seconds),
                Column("Tokens", lambda t: t.sums.tokens, formats.count),
                Column("Cost", lambda t: t.sums.cost_usd, formats.money),
                word("Trace", lambda t: t.sums.trace_id),
            ),
            data.turns,
        )
    }


def _show(context: Context, data: _Data, _tables: Tables, _charts: Charts) -> list[Any]:
    back = h.a(href=context.there("/sessions"), class_="button small")["← All conversations"]
    save = h.a(href=common.csv_href(context, "turns"), class_="button small", download="")["CSV"]
    head = h.div(class_="row")[
        back, h.code(class_="muted", id="session-id")[context.subject],
        h.button(class_="button small", type="button", data_copy="session-id")["Copy id"], save,
    ]  # fmt: skip
    if not data.turns:
        longer = h.a(href=context.here(range="90d", since=None, until=None), class_="button")[
            "Look at the last 90 days"
        ]
        text = f"No call of the session {context.subject} is in this window."
        return [
            head,
            h.section(class_="card empty")[h.h2["No such conversation"], h.p[text], longer],
        ]
    captured = any(turn.texts.question or turn.texts.answer for turn in data.turns)
    return [
        head,
        figures(_cards(data.sums)),
        _cut(context, data),
        None if captured else h.p(class_="notice info")[_HIDDEN],
        h.ol(class_="conversation")[[_turn(context, turn, captured) for turn in data.turns]],
        _who(context, data.turns),
    ]


def _cut(context: Context, data: _Data) -> Any:
    """That there are older turns, and where."""
    if len(data.turns) >= data.sums.traces:
        return None
    until = data.turns[0].sums.time.isoformat("T", "seconds")
    since = context.filter.since.isoformat("T", "seconds")
    return h.p(class_="notice info")[
        f"These are the newest {len(data.turns)} of {formats.count(data.sums.traces)} turns: ",
        h.a(href=context.here(since=since, until=until))["show older ones"],
        ".",
    ]


def _cards(sums: Sums) -> list[Any]:
    length = (sums.last - sums.first).total_seconds() if sums.first and sums.last else None
    return [
        figure_card(
            "Turns", formats.count(sums.traces), note=f"{formats.plural(sums.calls, 'call')}"
        ),
        figure_card(
            "Length",
            formats.seconds(length),
            note=["from ", moment(sums.first, formats.when(sums.first))] if sums.first else "",
        ),
        figure_card(
            "Cost",
            formats.cost(sums.cost_usd, sums.unpriced),
            note=formats.missing(sums.unpriced) or f"{formats.count(sums.tokens)} tokens",
        ),
        figure_card(
            "Failed", formats.count(sums.failed), note="turns with a call that was not answered"
        ),
    ]


def _turn(context: Context, turn: Turn, captured: bool) -> Any:
    sums = turn.sums
    address = context.there(f"/traces/{sums.trace_id}", at=sums.time.isoformat(timespec="seconds"))
    facts = [
        moment(sums.time, formats.when(sums.time)),
        formats.seconds(sums.duration_s),
        formats.cost(sums.cost_usd, sums.unpriced),
        f"{formats.count(sums.tokens)} tokens",
        *(f"{name} {formats.score(score)}" for name, score in turn.scores.items()),
    ]
    return h.li(class_="turn")[
        _messages(turn) if captured else None,
        h.p(class_="tools muted")["used ", ", ".join(_tool(name) for name in turn.tools)]
        if turn.tools
        else None,
        h.p[h.span(class_="tone bad")[sums.error_type or "failed"]] if sums.failed else None,
        h.p(class_="facts-line muted")[
            [[fact, " · "] for fact in facts], h.a(href=address)["trace"]
        ],
    ]


def _messages(turn: Turn) -> list[Any]:
    """What was asked and answered."""
    texts = {"user": turn.texts.question, "assistant": turn.texts.answer}
    return [
        h.div(class_=f"message {role}")[
            h.span(class_="role")[role], h.p[text] if text else h.p(class_="muted")["not captured"]
        ]
        for role, text in texts.items()
    ]


def _tool(span: str) -> str:
    return span.removeprefix("execute_tool ")


def _who(context: Context, data: list[Turn]) -> Any:
    user = next((turn.sums.user for turn in data if turn.sums.user), None)
    if user is None:
        return None
    return h.p[
        "By ", h.a(href=context.there("/traces", user=user))[user],
        ": all that this user asked in the window.",
    ]  # fmt: skip


PAGE = Page(
    "/sessions/",
    "Conversation",
    "One session, as it was said",
    _Data,
    _tables,
    common.no_charts,
    _show,
    in_menu=False,
    needs_calls=False,
)
