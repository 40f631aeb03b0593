"""One trace: the waterfall of its spans, and what each of them says."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any, Final

import htpy as h

from llm_otel import formats, semconv
from llm_otel.dashboard.components.cards import bar, figure_card, figures
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import traces
from llm_otel.lake.queries.traces import Nested, Span

_KINDS: Final = {
    "chat": "call",
    "text_completion": "call",
    "embeddings": "embed",
    "execute_tool": "tool",
    "retrieval": "search",
    "invoke_agent": "agent",
    "invoke_workflow": "flow",
}
_CONTENT: Final = (
    ("Instructions", "system_instructions"),
    ("Input", "input_messages"),
    ("Output", "output_messages"),
)
_COSTS: Final = {
    semconv.COST_INCOMPLETE: "incomplete: a part of the usage has no price, the amount is the rest",
    semconv.COST_UNPRICED: "unknown, not zero: this model has no price",
    semconv.USAGE_UNKNOWN: "unknown, not zero: the provider did not report the usage",
    semconv.USAGE_ESTIMATED: "estimated from the length of the texts",
}
# Deeper spans stand no further to the right: their names would leave the page.
_DEEPEST: Final = 20
_NO_CONTENT: Final = (
    "Messages were not captured. OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT does that; "
    "see the page on privacy."
)


def _read(context: Context) -> list[Nested]:
    near = None
    if context.state.get("at"):
        try:
            near = datetime.fromisoformat(context.state.get("at")).replace(tzinfo=None)
        except ValueError:
            near = None
    return traces.nested(traces.trace(context.lake, context.subject, near))


def _tables(_context: Context, data: list[Nested]) -> Tables:
    return {
        "spans": lambda: Table(
            "Spans",
            (
                word("Span", lambda n: n.span.name),
                Column("Depth", lambda n: n.depth, formats.count),
                Column("Offset", lambda n: n.offset_s, formats.seconds),
                Column("Duration", lambda n: n.span.duration_s, formats.seconds),
                word("Status", lambda n: n.span.status),
                word("Model", lambda n: n.span.model),
                Column("Tokens in", lambda n: n.span.input_tokens, formats.count),
                Column("Tokens out", lambda n: n.span.output_tokens, formats.count),
                Column("Cost", lambda n: n.span.cost_usd, formats.money),
                word("Cost status", lambda n: n.span.cost_status),
                word("Span id", lambda n: n.span.span_id),
                *(word(title, partial(_said, name)) for title, name in _CONTENT),
            ),
            data,
        )
    }


def _said(content: str, nested: Nested) -> str | None:
    """Messages as text, one paragraph each; None where nothing was captured."""
    messages = traces.messages(getattr(nested.span, content))
    return "\n\n".join(f"{role}: {text}" for role, text in messages) or None


def _show(context: Context, data: list[Nested], _tables: Tables, _charts: Charts) -> list[Any]:
    back = h.a(href=context.there("/traces"), class_="button small")["← All traces"]
    if not data:
        text = h.p[
            f"No span of the trace {context.subject} is in the lake. It may be older than "
            "what is kept, or still on its way."
        ]
        return [back, h.section(class_="card empty")[h.h2["No such trace"], text]]
    length = max(n.offset_s + (n.span.duration_s or 0) for n in data) or 1e-9
    return [
        h.div(class_="row")[back, h.code(class_="muted")[context.subject]],
        figures(_cards(data, length)),
        h.section(class_="card")[
            h.div(class_="card-head")[
                h.div(class_="scale-head")[h.h2["Waterfall"], _scale(length)],
                h.a(
                    href=common.csv_href(context, "spans"),
                    class_="button small",
                    aria_label="Save the spans as CSV",
                )["CSV"],
            ],
            h.ol(class_="waterfall")[[_row(n, length) for n in data]],
        ],
        _about(context, data[0].span),
    ]


def _cards(data: list[Nested], length: float) -> list[Any]:
    spans = [n.span for n in data]
    costs = [s.cost_usd for s in spans if s.cost_usd is not None]
    unpriced = sum(s.cost_status in common.LEAST for s in spans)
    note = f"of {len(costs)} priced calls"
    failed = sum(s.status == "error" for s in spans)
    tokens_in = sum(s.input_tokens or 0 for s in spans)
    tokens_out = sum(s.output_tokens or 0 for s in spans)
    began = f"{spans[0].time:%d %b %Y, %H:%M:%S} UTC"
    return [
        figure_card("Duration", formats.seconds(length), note=began),
        figure_card(
            "Cost",
            formats.cost(sum(costs) if costs else None, unpriced),
            note=f"{note}, {formats.missing(unpriced)}" if unpriced else note,
        ),
        figure_card(
            "Tokens",
            formats.count(tokens_in + tokens_out),
            note=f"{formats.count(tokens_in)} in, {formats.count(tokens_out)} out",
        ),
        figure_card("Spans", str(len(spans)), note=f"{failed} failed" if failed else "none failed"),
    ]


def _scale(length: float) -> Any:
    return h.p(class_="muted")[f"0 to {formats.seconds(length)}; open a span to read it"]


def _row(nested: Nested, length: float) -> Any:
    span = nested.span
    kind = _KINDS.get(span.operation or "", "other")
    start = nested.offset_s / length * 100
    width = max((span.duration_s or 0) / length * 100, 0.4)
    columns = [
        h.span(class_=f"span-name depth-{min(nested.depth, _DEEPEST)}")[
            h.span(class_=f"dot {kind}", aria_hidden="true"),
            span.name,
            h.span(class_="tone bad")["failed"] if span.status == "error" else None,
            h.span(class_="tone warn")[f"cost {span.cost_status}"]
            if span.cost_status and span.cost_usd is not None
            else None,
            h.span(class_="tone warn")[nested.fault.value] if nested.fault else None,
            h.span(class_="tone")["counts below"] if span.repeats else None,
        ],
        bar(start, min(width, 100 - start), kind),
        h.span(class_="num")[formats.seconds(span.duration_s)],
        h.span(class_="num muted")[_tokens(span)],
        h.span(class_="num")[_cost(span)],
    ]
    return h.li[h.details[h.summary(class_="span-row")[columns], _detail(span)]]


def _tokens(span: Span) -> str:
    if span.input_tokens is None and span.output_tokens is None:
        return ""
    return f"{formats.count(span.input_tokens)} → {formats.count(span.output_tokens)}"


def _cost(span: Span) -> Any:
    """The cost of a call, or why it is not known."""
    status = span.cost_status
    if span.cost_usd is None:
        return h.span(class_="tone warn")[status] if status else ""
    sign = "" if status is None else "≥ " if status in common.LEAST else "≈ "
    return f"{sign}{formats.money(span.cost_usd)}"


def _detail(span: Span) -> Any:
    facts = {
        "Cost": _COSTS.get(span.cost_status or ""),
        "Operation": span.operation,
        "Model": span.model,
        "Provider": span.provider,
        "Error": span.error_type,
        "Message": span.status_message,
        "First chunk": formats.seconds(span.first_chunk_s) if span.first_chunk_s else None,
        "Cached tokens": span.cache_read_tokens or None,
        "Retries": span.retries or None,
        "Service": span.service_name,
        "Span": span.span_id,
    }
    items = [h.div[h.dt[name], h.dd[str(value)]] for name, value in facts.items() if value]
    parts: list[Any] = [h.dl(class_="facts")[items]]
    talks = [(title, traces.messages(getattr(span, name))) for title, name in _CONTENT]
    parts += [_talk(title, messages) for title, messages in talks if messages]
    if span.model is not None and not any(messages for _, messages in talks):
        parts.append(h.p(class_="muted")[_NO_CONTENT])
    for title, text in (("Attributes", span.attributes), ("Events", span.events)):
        if text and text not in ("{}", "[]"):
            parts += [h.h3[title], h.pre(tabindex="0")[h.code[_pretty(text)]]]
    return h.div(class_="span-detail")[parts]


def _talk(title: str, messages: list[tuple[str, str]]) -> Any:
    items = [
        h.li(class_=f"message {role}")[h.span(class_="role")[role], h.p[text]]
        for role, text in messages
    ]
    return h.div[h.h3[title], h.ul(class_="messages")[items]]


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _about(context: Context, root: Span) -> Any:
    links = [
        h.div[
            h.dt[label],
            h.dd[h.a(href=context.there("/traces", **{name: value}))[value]],
        ]
        for label, name, value in (
            ("Tenant", "tenant_id", root.tenant_id),
            ("Feature", "feature", root.feature),
            ("User", "user", root.user),
            ("Session", "session", root.session_id),
        )
        if value
    ]
    if not links:
        return None
    return h.section(class_="card")[h.h2["More like this"], h.dl(class_="facts")[links]]


PAGE = Page(
    "/traces/",
    "Trace",
    "One request from end to end",
    _read,
    _tables,
    common.no_charts,
    _show,
    in_menu=False,
    needs_calls=False,
)
