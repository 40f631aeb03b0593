"""The spans of a trace along its time: names, bars, time of their own, tokens, cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import bar
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import paths
from llm_otel.lake.queries.traces import Nested, Span

KINDS: Final = {
    "chat": "call",
    "text_completion": "call",
    "generate_content": "call",
    "embeddings": "embed",
    "execute_tool": "tool",
    "retrieval": "search",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "flow",
}
# Deeper spans stand no further to the right: their names would leave the page.
_DEEPEST: Final = 20
# Of a larger trace, spans below those near its root are folded away at first.
_OPEN: Final = 500
_TICKS: Final = 5


def waterfall(spans: Sequence[Nested], length: float, href: str) -> list[Any]:
    """The axis and the rows.

    Args:
        spans: As `traces.nested` orders them.
        length: Seconds of the trace.
        href: Where the details of a span come from: its id is put behind.
    """
    below = paths.children(spans)
    own, critical = paths.self_times(spans, below), paths.critical(spans, below)
    deepest = _deepest_open(spans)
    folded = sum(nested.depth > deepest for nested in spans)
    rows = [
        _row(
            nested,
            length,
            own[place],
            href,
            parent=bool(below[place]),
            critical=place in critical,
            folds=bool(below[place]) and nested.depth == deepest,
            hidden=nested.depth > deepest,
        )
        for place, nested in enumerate(spans)
    ]
    return [
        _tools(folded, any(below)),
        h.div(class_="axis", aria_hidden="true")[_axis(length)],
        h.ol(class_="waterfall")[rows],
    ]


def _deepest_open(spans: Sequence[Nested]) -> int:
    """The depth down to which all spans are shown at first."""
    if len(spans) <= _OPEN:
        return max((nested.depth for nested in spans), default=0)
    by_depth: dict[int, int] = {}
    for nested in spans:
        by_depth[nested.depth] = by_depth.get(nested.depth, 0) + 1
    shown, deepest = 0, 0
    for depth in sorted(by_depth):
        shown += by_depth[depth]
        if shown > _OPEN:
            break
        deepest = depth
    return deepest


def _tools(folded: int, nested: bool) -> Any:
    if not nested:
        return None
    words = f"{formats.plural(folded, 'span')} folded away below those shown. " if folded else ""
    return h.p(class_="row fold-tools")[
        h.span(class_="muted", id="folded")[words] if words else None,
        h.button(class_="button small", type="button", data_fold_all="open")["Unfold all"],
        h.button(class_="button small", type="button", data_fold_all="fold")["Fold all"],
    ]


def _axis(length: float) -> Any:
    """Ticks over the column of the bars."""
    marks = [
        h.span(class_=f"tick-{number}")[formats.seconds(length * number / (_TICKS - 1))]
        for number in range(_TICKS)
    ]
    return [h.span, h.span(class_="ticks")[marks], h.span["Time"], h.span["Own"],
            h.span["Tokens"], h.span["Cost"]]  # fmt: skip


def _row(
    nested: Nested,
    length: float,
    own: float,
    href: str,
    *,
    parent: bool,
    critical: bool,
    folds: bool,
    hidden: bool,
) -> Any:
    span = nested.span
    kind = KINDS.get(span.operation or "", "other")
    start = nested.offset_s / length * 100
    width = max((span.duration_s or 0) / length * 100, 0.4)
    fold = (
        h.button(
            class_="fold",
            type="button",
            aria_expanded="false" if folds else "true",
            aria_label=f"Fold or unfold what is below {span.name}",
        )
        if parent
        else h.span(class_="fold none")
    )
    columns = [
        h.span(class_=f"span-name depth-{min(nested.depth, _DEEPEST)}")[
            fold,
            h.span(class_=f"dot {kind}"),
            h.span(class_="name")[span.name],
            _marks(nested),
        ],
        bar(start, min(width, 100 - start), f"{kind} critical" if critical else kind),
        h.span(class_="num")[formats.seconds(span.duration_s)],
        h.span(class_="num muted own")[formats.seconds(own) if parent else ""],
        h.span(class_="num muted tokens")[_tokens(span)],
        h.span(class_="num cost")[_cost(span)],
    ]
    detail = h.details(
        {
            "hx-get": f"{href}{span.span_id}",
            "hx-trigger": "toggle once",
            "hx-target": "find .span-detail",
            "hx-swap": "innerHTML",
            "hx-sync": "this:drop",
            "hx-push-url": "false",
        }
    )[h.summary(class_="span-row")[columns], h.div(class_="span-detail")]
    return h.li(id=f"span-{span.span_id}", data_depth=nested.depth, hidden=hidden)[detail]


def _marks(nested: Nested) -> list[Any]:
    """What is wrong with a span, in a word or two."""
    span = nested.span
    error = span.error_type or "failed"
    return [
        h.span(class_="tone bad")[error] if span.status == "error" else None,
        h.span(class_="tone warn")[f"cost {span.cost_status}"]
        if span.cost_status and span.cost_usd is not None
        else None,
        h.span(class_="tone warn")[nested.fault.value] if nested.fault else None,
        h.span(class_="tone")["counts below"] if span.repeats else None,
    ]


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
