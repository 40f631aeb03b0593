"""One trace: the waterfall of its spans, and what each of them says."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any, Final

from dash import dcc, html

from llm_otel import formats, semconv
from llm_otel.dashboard.components.cards import figure_card, figures
from llm_otel.dashboard.components.spoken import UNHEARD, named
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context, Page, Tables
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


def _show(context: Context, data: list[Nested], _tables: Tables) -> list[Any]:
    back = dcc.Link("← All traces", href=context.there("/traces"), className="button small")
    if not data:
        text = html.P(
            f"No span of the trace {context.subject} is in the lake. It may be older than "
            "what is kept, or still on its way."
        )
        return [back, html.Section([html.H2("No such trace"), text], className="card empty")]
    length = max(n.offset_s + (n.span.duration_s or 0) for n in data) or 1e-9
    return [
        html.Div([back, html.Code(context.subject, className="muted")], className="row"),
        figures(_cards(data, length)),
        html.Section(
            [
                html.Div(
                    [
                        html.Div([html.H2("Waterfall"), _scale(length)], className="scale-head"),
                        html.A(
                            "CSV",
                            href=common.csv_href(context, "spans"),
                            className="button small",
                            **named("Save the spans as CSV"),
                        ),
                    ],
                    className="card-head",
                ),
                html.Ol([_row(n, length) for n in data], className="waterfall"),
            ],
            className="card",
        ),
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
    return html.P(f"0 to {formats.seconds(length)}; open a span to read it", className="muted")


def _row(nested: Nested, length: float) -> Any:
    span = nested.span
    kind = _KINDS.get(span.operation or "", "other")
    start = nested.offset_s / length * 100
    width = max((span.duration_s or 0) / length * 100, 0.4)
    columns = [
        html.Span(
            [
                html.Span(className=f"dot {kind}", **UNHEARD),
                span.name,
                html.Span("failed", className="tone bad") if span.status == "error" else None,
                html.Span(f"cost {span.cost_status}", className="tone warn")
                if span.cost_status and span.cost_usd is not None
                else None,
                html.Span(nested.fault.value, className="tone warn") if nested.fault else None,
                html.Span("counts below", className="tone") if span.repeats else None,
            ],
            className="span-name",
            style={"paddingInlineStart": f"{min(nested.depth, _DEEPEST) * 18}px"},
        ),
        html.Span(
            html.Span(
                className=f"bar {kind}",
                style={"left": f"{start:.2f}%", "width": f"{min(width, 100 - start):.2f}%"},
            ),
            className="track",
            **UNHEARD,
        ),
        html.Span(formats.seconds(span.duration_s), className="num"),
        html.Span(_tokens(span), className="num muted"),
        html.Span(_cost(span), className="num"),
    ]
    return html.Li(html.Details([html.Summary(columns, className="span-row"), _detail(span)]))


def _tokens(span: Span) -> str:
    if span.input_tokens is None and span.output_tokens is None:
        return ""
    return f"{formats.count(span.input_tokens)} → {formats.count(span.output_tokens)}"


def _cost(span: Span) -> Any:
    """The cost of a call, or why it is not known."""
    status = span.cost_status
    if span.cost_usd is None:
        return html.Span(status, className="tone warn") if status else ""
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
    items = [
        html.Div([html.Dt(name), html.Dd(str(value))]) for name, value in facts.items() if value
    ]
    parts: list[Any] = [html.Dl(items, className="facts")]
    talks = [(title, traces.messages(getattr(span, name))) for title, name in _CONTENT]
    parts += [_talk(title, messages) for title, messages in talks if messages]
    if span.model is not None and not any(messages for _, messages in talks):
        parts.append(html.P(_NO_CONTENT, className="muted"))
    for title, text in (("Attributes", span.attributes), ("Events", span.events)):
        if text and text not in ("{}", "[]"):
            parts += [html.H3(title), html.Pre(html.Code(_pretty(text)), tabIndex="0")]
    return html.Div(parts, className="span-detail")


def _talk(title: str, messages: list[tuple[str, str]]) -> Any:
    items = [
        html.Li([html.Span(role, className="role"), html.P(text)], className=f"message {role}")
        for role, text in messages
    ]
    return html.Div([html.H3(title), html.Ul(items, className="messages")])


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _about(context: Context, root: Span) -> Any:
    links = [
        html.Div(
            [
                html.Dt(label),
                html.Dd(dcc.Link(value, href=context.there("/traces", **{name: value}))),
            ]
        )
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
    return html.Section(
        [html.H2("More like this"), html.Dl(links, className="facts")], className="card"
    )


PAGE = Page(
    "/traces/",
    "Trace",
    "One request from end to end",
    _read,
    _tables,
    _show,
    in_menu=False,
    needs_calls=False,
)
