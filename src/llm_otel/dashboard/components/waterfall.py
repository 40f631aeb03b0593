"""The spans of a trace along its time: names, bars, time of their own, tokens, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import bar
from llm_otel.dashboard.costs import LEAST
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
# Of a span's id, a part of the page about it, and from which row on.
Address = Callable[[str, str, str], str]

# Deeper spans stand no further to the right: their names would leave the page.
_DEEPEST: Final = 20
# Of a larger trace, spans below those near its root are folded away at first.
_OPEN: Final = 500
# So many rows of one level come at once.
_MOST: Final = 1_000
# In an address, what the spans at the root are below.
TOP: Final = "-"
_TICKS: Final = 5


def waterfall(spans: Sequence[Nested], length: float, href: Address, target: str = "") -> list[Any]:
    """The axis and the rows.

    Args:
        spans: As `traces.nested` orders them.
        length: Seconds of the trace.
        href: Gives the address of a part of the page about a span: its details, or the rows
            `/below` it.
        target: A span that is among the rows in any case, with those above it.
    """
    rows, places = _level(spans, range(len(spans)), TOP, length, href, 0, target)
    return [
        _tools(len(spans) - len(places), any(nested.depth for nested in spans)),
        h.div(class_="axis", aria_hidden="true")[_axis(length)],
        h.ol(class_="waterfall")[rows],
    ]


def rows_below(
    spans: Sequence[Nested], span_id: str, length: float, href: Address, first: int
) -> Any:
    """The rows right below a span, and as many of those below them as go with these.

    Args:
        spans, length, href: As of `waterfall`.
        span_id: The span's, or `TOP` for what has nothing above it.
        first: Without so many of the first rows right below it.
    """
    if span_id == TOP:
        return _level(spans, range(len(spans)), TOP, length, href, first)[0]
    place = next((n for n, nested in enumerate(spans) if nested.span.span_id == span_id), None)
    if place is None:
        return None
    end = place + 1
    while end < len(spans) and spans[end].depth > spans[place].depth:
        end += 1
    return _level(spans, range(place + 1, end), span_id, length, href, first)[0]


def _level(
    spans: Sequence[Nested],
    below: Sequence[int],
    span_id: str,
    length: float,
    href: Address,
    first: int,
    target: str = "",
) -> tuple[list[Any], list[int]]:
    """The rows of what is below a span, and their places; the last is a way to more."""
    depth = min((spans[place].depth for place in below), default=0)
    heads = [place for place in below if spans[place].depth == depth]
    last = heads[first + _MOST] if len(heads) > first + _MOST else below[-1] + 1 if below else 0
    begin = heads[first] if first < len(heads) else last
    places = _open_places(spans, [place for place in below if begin <= place < last])
    places = sorted({*places, *_path(spans, target)})
    rest = len(heads) - first - _MOST
    more = None
    if rest > 0:
        words = f"{formats.plural(rest, 'span')} more"
        load = href(span_id, "/below", str(first + _MOST))
        more = h.li(data_depth=depth, class_="rest")[
            h.button(class_="button small", type="button", data_more=load)[words]
        ]
    return [*_rows(spans, places, length, href), more], places


def _path(spans: Sequence[Nested], span_id: str) -> list[int]:
    """The places of a span and of those above it."""
    place = next((n for n, nested in enumerate(spans) if nested.span.span_id == span_id), None)
    path: list[int] = []
    depth = spans[place].depth + 1 if place is not None else 0
    for at in range(place if place is not None else -1, -1, -1):
        if spans[at].depth < depth:
            path.append(at)
            depth = spans[at].depth
    return path


def _open_places(spans: Sequence[Nested], places: Sequence[int]) -> list[int]:
    """The places of the rows that are shown at first: level by level, as many as fit."""
    by_depth: dict[int, int] = {}
    for place in places:
        by_depth[spans[place].depth] = by_depth.get(spans[place].depth, 0) + 1
    size, deepest = 0, min(by_depth, default=0)
    for depth in sorted(by_depth):
        size += by_depth[depth]
        if size > _OPEN:
            break
        deepest = depth
    return [place for place in places if spans[place].depth <= deepest]


def _rows(
    spans: Sequence[Nested], places: Sequence[int], length: float, href: Address
) -> list[Any]:
    below = paths.children(spans)
    own, critical = paths.self_times(spans, below), paths.critical(spans, below)
    visible = set(places)
    return [
        _row(
            spans[place],
            length,
            own[place],
            href,
            parent=bool(below[place]),
            critical=place in critical,
            loads=not visible.issuperset(below[place]),
        )
        for place in places
    ]


def _tools(folded: int, nested: bool) -> Any:
    if not nested:
        return None
    if folded:
        words = f"{formats.plural(folded, 'span')} are folded away below those shown: unfold a row."
        return h.p(class_="muted fold-tools")[words]
    return h.p(class_="row fold-tools")[
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
    href: Address,
    *,
    parent: bool,
    critical: bool,
    loads: bool,
) -> Any:
    span = nested.span
    kind = KINDS.get(span.operation or "", "other")
    start = nested.offset_s / length * 100
    width = max((span.duration_s or 0) / length * 100, 0.4)
    fold = (
        h.button(
            class_="fold",
            type="button",
            aria_expanded="false" if loads else "true",
            data_load=href(span.span_id, "/below", "") if loads else None,
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
            "hx-get": href(span.span_id, "", ""),
            "hx-trigger": "toggle once",
            "hx-target": "find .span-detail",
            "hx-swap": "innerHTML",
            "hx-sync": "this:drop",
            "hx-push-url": "false",
        }
    )[h.summary(class_="span-row")[columns], h.div(class_="span-detail")]
    return h.li(id=f"span-{span.span_id}", data_depth=nested.depth)[detail]


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
    sign = "" if status is None else "≥ " if status in LEAST else "≈ "
    return f"{sign}{formats.money(span.cost_usd)}"
