"""Label: one answer after the other, to be rated by a person, with the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import htpy as h

from llm_otel import formats, semconv
from llm_otel.dashboard.components.cards import card_head, notice
from llm_otel.dashboard.components.times import moment
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.feedback import BEST, NOT_STORED, WORST
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import dialogue, traces, unrated
from llm_otel.lake.queries.traces import Span
from llm_otel.lake.queries.unrated import Answer

_USUAL: Final = "human"
_CONTENT: Final = (
    ("Instructions", "system_instructions"),
    ("Input", "input_messages"),
    ("Output", "output_messages"),
)
_WORDS: Final = {1: "bad", 2: "poor", 3: "fair", 4: "good", 5: "excellent"}
_NO_CONTENT: Final = (
    "The messages of this call were not captured. "
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT does that; see the page on privacy."
)


@dataclass(frozen=True)
class _Data:
    """The next answer, its span, and how many are rated."""

    answer: Answer | None
    span: Span | None
    rated: int


def _evaluation(context: Context) -> str:
    name = context.state.get("evaluation")
    return name if name and semconv.well_formed(semconv.EVALUATION, name) else _USUAL


def _place(context: Context) -> int:
    return int(context.state.number("place") or 0)


def _read(context: Context) -> _Data:
    evaluation, window = _evaluation(context), context.filter
    answer = unrated.unrated(
        context.lake, window, context.now, evaluation, context.state.all("done"), _place(context)
    )
    rated = unrated.rated(context.lake, window, context.now, evaluation)
    if answer is None:
        return _Data(None, None, rated)
    spans = traces.trace(context.lake, answer.trace_id, answer.time)
    span = next((each for each in spans if each.span_id == answer.span_id), None)
    return _Data(answer, span, rated)


def _no_tables(_context: Context, _data: _Data) -> Tables:
    return {}


def _show(context: Context, data: _Data, _tables: Tables, _plots: Charts) -> list[Any]:
    failure = notice(NOT_STORED, "warn") if context.state.get("failed") else None
    if data.answer is None:
        return [failure, _end(context, data)]
    controls = _controls(context, data, data.answer)
    return [failure, controls, _answer(context, data.answer, data.span)]


def _end(context: Context, data: _Data) -> Any:
    place = _place(context)
    links = [h.a(href=context.there("/quality"), class_="button")["Back to Quality"]]
    if place:
        links.insert(0, h.a(href=context.here(place=None), class_="button")["From the start"])
    return h.section(class_="card empty")[
        h.h2["Nothing is left to rate" if not place else "That was the last one"],
        h.p[
            f"{formats.number_of(data.rated, 'trace')} got a rating named {_evaluation(context)} "
            "since this window began. "
            "A longer window may have more to rate."
        ],
        h.div(class_="row")[links],
    ]


def _controls(context: Context, data: _Data, answer: Answer) -> Any:
    place = _place(context)
    previous = str(place - 1) if place > 1 else None
    return h.section(class_="card rating")[
        card_head(
            f"How good is this answer? ({_evaluation(context)})",
            f"{formats.count(data.rated)} rated since this window began. Keys: 1 to 5 or u (thumbs "
            "up) and d (thumbs down) rate, j or → passes by, k or ← goes back.",
        ),
        h.div(class_="row")[
            [_rate(context, answer, value) for value in range(WORST, BEST + 1)],
            _rate(context, answer, WORST, "Thumbs down", "d"),
            _rate(context, answer, BEST, "Thumbs up", "u"),
            h.a(
                href=context.here(place=previous),
                class_="button",
                data_key="k ArrowLeft",
            )["← Back"]
            if place
            else None,
            h.a(href=context.here(place=str(place + 1)), class_="button", data_key="j ArrowRight")[
                "Pass by →"
            ],
        ],
    ]


def _rate(context: Context, answer: Answer, value: int, text: str = "", key: str = "") -> Any:
    """A button in a form of its own, which needs no script."""
    fields = {
        "back": context.here(failed=None),
        "evaluation": _evaluation(context),
        "value": str(value),
        "trace_id": answer.trace_id,
        "span_id": answer.span_id,
        "service": answer.service_name,
        "model": answer.model,
        "feature": answer.feature,
        "tenant_id": answer.tenant_id,
    }
    return h.form(action="/rate", method="post")[
        [h.input(type="hidden", name=name, value=each) for name, each in fields.items() if each],
        h.button(class_="button", type="submit", data_key=key or str(value))[
            text or f"{value} {_WORDS[value]}"
        ],
    ]


def _answer(context: Context, answer: Answer, span: Span | None) -> Any:
    at = answer.time.isoformat(timespec="seconds")
    facts = {
        "Time": moment(answer.time, f"{formats.when(answer.time)} UTC"),
        "Model": answer.model,
        "Feature": answer.feature,
        "Tenant": answer.tenant_id,
        "Duration": formats.seconds(span.duration_s) if span else None,
        "Cost": formats.money(span.cost_usd) if span else None,
    }
    items = [h.div[h.dt[name], h.dd[value]] for name, value in facts.items() if value]
    talks = [(title, dialogue.messages(getattr(span, name))) for title, name in _CONTENT if span]
    return h.section(class_="card")[
        card_head(
            span.name if span else answer.trace_id,
            "",
            h.a(href=context.there(f"/traces/{answer.trace_id}", at=at), class_="button small")[
                "The whole trace"
            ],
        ),
        h.dl(class_="facts")[items],
        [_talk(title, messages) for title, messages in talks if messages]
        or h.p(class_="muted")[_NO_CONTENT],
    ]


def _talk(title: str, messages: list[tuple[str, str]]) -> Any:
    items = [
        h.li(class_=f"message {role}")[h.span(class_="role")[role], h.p[text]]
        for role, text in messages
    ]
    return h.div(class_="talk")[h.h3[title], h.ul(class_="messages")[items]]


PAGE = Page(
    "/label",
    "Label",
    "Rate answers, one after the other",
    _read,
    _no_tables,
    common.no_charts,
    _show,
    in_menu=False,
)
