"""One trace: its spans along its time, what each of them says, and what people think of it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard import moments
from llm_otel.dashboard.components.agent_graph import agent_graph
from llm_otel.dashboard.components.cards import card_head, figure_card, figures
from llm_otel.dashboard.components.span_detail import CONTENT, span_detail, verdict_line
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.components.times import moment
from llm_otel.dashboard.components.waterfall import Address, rows_below, waterfall
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.costs import LEAST
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.feedback import BEST, NOT_STORED, WORST
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.state import State
from llm_otel.lake.queries import around, dialogue, traces
from llm_otel.lake.queries.around import Verdict
from llm_otel.lake.queries.traces import Nested, Span

_PERSONAL: Final = "human"


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        self.whole = Lazy(lambda: traces.nested(_spans(context, texts=True)))
        self.spans = traces.nested(_spans(context, texts=False))
        began = min((nested.span.time for nested in self.spans), default=context.now)
        self.verdicts = Lazy(lambda: around.verdicts(context.lake, context.subject, began))
        self.beside = Lazy(
            lambda: around.beside(
                context.reader(),
                context.subject,
                began,
                max(nested.span.time for nested in self.spans),
            )
        )


def _spans(context: Context, *, texts: bool) -> list[Span]:
    return traces.trace(context.lake, context.subject, _near(context), texts=texts)


def _near(context: Context) -> datetime | None:
    """A time in the trace, as the address says it."""
    return moments.first(context.state.get("at"), context.now)


def detail(context: Context, span_id: str) -> Any:
    """What one span of the trace says; None where there is no such span."""
    span = next((each for each in _spans(context, texts=True) if each.span_id == span_id), None)
    if span is None:
        return None
    verdicts = around.verdicts(context.lake, context.subject, span.time)
    return span_detail(span, [each for each in verdicts if each.span_id == span_id], context.price)


def below(context: Context, span_id: str) -> Any:
    """The rows below one span of the trace."""
    spans = traces.nested(_spans(context, texts=False))
    first = int(context.state.number("from") or 0)
    return rows_below(spans, span_id, _length(spans), _href(context), first)


def _length(spans: list[Nested]) -> float:
    return max((n.offset_s + (n.span.duration_s or 0) for n in spans), default=0) or 1e-9


def _href(context: Context) -> Address:
    """Addresses of the parts of this page; they name the trace's time, so that one day is read."""
    at = State().to(at=context.state.get("at"))
    path = f"/traces/{context.subject}/spans/"
    return lambda span_id, part, first: at.to(**{"from": first}).href(f"{path}{span_id}{part}")


def _tables(_context: Context, data: _Data) -> Tables:
    return {
        "spans": lambda: Table(
            "Spans",
            (
                word("Span", lambda n: n.span.name),
                Column("Depth", lambda n: n.depth, formats.count),
                Column("Offset", lambda n: n.offset_s, formats.seconds),
                Column("Duration", lambda n: n.span.duration_s, formats.seconds),
                word("Status", lambda n: n.span.status),
                word("Error", lambda n: n.span.error_type),
                word("Model", lambda n: n.span.model),
                Column("Tokens in", lambda n: n.span.input_tokens, formats.count),
                Column("Tokens out", lambda n: n.span.output_tokens, formats.count),
                Column("Cost", lambda n: n.span.cost_usd, formats.money),
                word("Cost status", lambda n: n.span.cost_status),
                word("Span id", lambda n: n.span.span_id),
                *(word(title, partial(_messages, name)) for title, name in CONTENT),
            ),
            data.whole(),
        )
    }


def _messages(content: str, nested: Nested) -> str | None:
    """Messages as text, one paragraph each; None where nothing was captured."""
    messages = dialogue.messages(getattr(nested.span, content))
    return "\n\n".join(f"{role}: {text}" for role, text in messages) or None


def _show(context: Context, data: _Data, _tables: Tables, _charts: Charts) -> list[Any]:
    # The list as it was: its order, thresholds and columns are in the address, too.
    list_address = context.state.to(at=None, rated=None, failed=None).href("/traces")
    back = h.a(href=list_address, class_="button small")["← All traces"]
    spans = data.spans
    if not spans:
        text = (
            f"No span of the trace {context.subject} is in the lake. It may be older than "
            "what is kept, or still on its way."
        )
        return [back, h.section(class_="card empty")[h.h2["No such trace"], h.p[text]]]
    length = _length(spans)
    save = h.a(
        href=common.csv_href(context, "spans"),
        class_="button small",
        aria_label="Save the spans as CSV",
        download="",
    )["CSV"]
    about = "Outlined bars are on the critical path; open a span to read it"
    return [
        h.div(class_="row")[
            back,
            h.code(class_="muted", id="trace-id")[context.subject],
            h.button(class_="button small", type="button", data_copy="trace-id")["Copy id"],
            common.part(context, "The traces beside it", lambda: _beside(context, data)),
        ],
        figures(_cards(spans, length)),
        h.section(class_="card")[
            card_head("Waterfall", about, save),
            waterfall(spans, length, _href(context), context.state.get("span")),
        ],
        common.part(context, "What people think", lambda: _feedback(context, data)),
        common.part(context, "Who called whom", lambda: agent_graph(spans)),
        _about(context, spans[0].span),
    ]


def _beside(context: Context, data: _Data) -> list[Any]:
    """Links to the traces before and after it, of those that the filters let through."""
    neighbours = data.beside()

    def address(trace: str, time: datetime) -> str:
        at = time.isoformat(timespec="seconds")
        state = context.state.to(at=at, rated=None, failed=None, span=None)
        return state.href(f"/traces/{trace}")

    return [
        h.a(href=address(trace, time), class_="button small")[text]
        for trace, time, text in (
            (neighbours.older, neighbours.older_time, "‹ Older"),
            (neighbours.newer, neighbours.newer_time, "Newer ›"),
        )
        if trace and time
    ]


def _cards(data: list[Nested], length: float) -> list[Any]:
    spans = [n.span for n in data]
    costs = [s.cost_usd for s in spans if s.cost_usd is not None]
    unpriced = sum(s.cost_status in LEAST for s in spans)
    note = f"of {formats.plural(len(costs), 'priced call')}"
    failed = sum(s.status == "error" for s in spans)
    tokens_in = sum(s.input_tokens or 0 for s in spans)
    tokens_out = sum(s.output_tokens or 0 for s in spans)
    cached = sum(s.cache_read_tokens or 0 for s in spans)
    began = min(s.time for s in spans)
    return [
        figure_card(
            "Duration",
            formats.seconds(length),
            note=["began ", moment(began, f"{began:%d %b %Y, %H:%M:%S} UTC")],
        ),
        figure_card(
            "Cost",
            formats.cost(sum(costs) if costs else None, unpriced),
            note=f"{note}, {formats.missing(unpriced)}" if unpriced else note,
        ),
        figure_card(
            "Tokens",
            formats.count(tokens_in + tokens_out),
            note=f"{formats.count(tokens_in)} in, {formats.count(cached)} of them cached, "
            f"{formats.count(tokens_out)} out",
        ),
        figure_card("Spans", str(len(spans)), note=f"{failed} failed" if failed else "none failed"),
    ]


def _feedback(context: Context, data: _Data) -> Any:
    """Scores and outcomes of the trace, and a form to add one."""
    lines = [h.li[_verdict(each)] for each in data.verdicts()]
    fields = {
        "back": context.state.href(f"{context.path}{context.subject}"),
        "trace_id": context.subject,
        "span_id": data.spans[0].span.span_id,
        "service": data.spans[0].span.service_name,
        "feature": data.spans[0].span.feature,
        "tenant_id": data.spans[0].span.tenant_id,
    }
    hidden = [
        h.input(type="hidden", name=name, value=each) for name, each in fields.items() if each
    ]
    words = {
        "Thumbs down": WORST,
        "Thumbs up": BEST,
        **{str(value): value for value in range(WORST, BEST + 1)},
    }
    values = [
        h.button(class_="button", type="submit", name="value", value=str(value))[text]
        for text, value in words.items()
    ]
    is_rated = bool(context.state.get("rated"))
    return h.section(class_="card feedback", id="feedback")[
        card_head("Scores and outcomes"),
        h.ul(class_="verdicts")[lines]
        if lines
        else h.p(class_="muted")["Nobody has judged this trace yet."],
        h.p(class_="tone good", role="status")["Your rating is stored; it is here in a moment."]
        if is_rated
        else None,
        h.p(class_="tone bad", role="alert")[NOT_STORED] if context.state.get("failed") else None,
        h.form(action="/rate", method="post", class_="row")[
            hidden,
            # Enter in the line below must not be the first of the values.
            h.button(type="submit", disabled=True, hidden=True),
            h.input(type="text", name="note", maxlength="500", placeholder="Why (optional)",
                    aria_label="Why, optional"),
            h.input(type="text", name="evaluation", maxlength="64", value=_PERSONAL, class_="short",
                    required=True, aria_label="Name of the evaluation"),
            values,
        ],
    ]  # fmt: skip


def _verdict(verdict: Verdict) -> list[Any]:
    of = (
        h.a(href=f"#span-{verdict.span_id}", class_="muted")[" of a span"]
        if verdict.span_id
        else None
    )
    when = h.span(class_="muted")[" ", moment(verdict.time, formats.when(verdict.time))]
    return [*verdict_line(verdict), of, when]


def _about(context: Context, root: Span) -> Any:
    links = [
        h.div[h.dt[label], h.dd[h.a(href=context.there("/traces", **{name: value}))[value]]]
        for label, name, value in (
            ("Tenant", "tenant_id", root.tenant_id),
            ("Feature", "feature", root.feature),
            ("User", "user", root.user),
        )
        if value
    ]
    if root.session_id:
        address = common.conversation(context, root.session_id)
        links.append(h.div[h.dt["Conversation"], h.dd[h.a(href=address)[root.session_id]]])
    if not links:
        return None
    return h.section(class_="card")[h.h2["More like this"], h.dl(class_="facts")[links]]


PAGE = Page(
    "/traces/",
    "Trace",
    "One request from end to end",
    _Data,
    _tables,
    common.no_charts,
    _show,
    in_menu=False,
    needs_calls=False,
)
