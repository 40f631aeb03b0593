"""Who called whom in a run of agents, as a picture: agents, their tools and models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import card_head
from llm_otel.dashboard.components.waterfall import KINDS
from llm_otel.lake.queries.traces import Nested, Span

_ACTORS: Final = frozenset({"agent", "flow"})
_WIDTH, _HEIGHT = 190, 40
_GAP_X, _GAP_Y = 70, 18
_MARGIN: Final = 4
_LONGEST: Final = 24
# More arrows are no picture: with a name for each step there would be thousands.
_MOST: Final = 100

_Node = tuple[str, str]


def agent_graph(spans: Sequence[Nested]) -> Any:
    """The picture; nothing for a trace without agents or tools."""
    every = _edges(spans)
    if not any(kind in ("agent", "flow", "tool") for edge in every for kind, _ in edge):
        return None
    edges = Counter(dict(every.most_common(_MOST)))
    about = "Agents, tools and models, with the number of calls"
    if len(every) > _MOST:
        about += f"; the {_MOST} most frequent of {formats.count(len(every))} pairs"
    layers = _layers(edges)
    places = {
        node: (_MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + row * (_HEIGHT + _GAP_Y))
        for column, layer in enumerate(layers)
        for row, node in enumerate(layer)
    }
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN
    words = "; ".join(
        f"{caller[1]} called {callee[1]} {formats.plural(times, 'time')}"
        for (caller, callee), times in edges.items()
    )
    return h.section(class_="card")[
        card_head("Who called whom", about),
        h.div(class_="agent-graph", tabindex="0", role="region", aria_label="Who called whom")[
            h.svg(
                width=width, height=height, viewBox=f"0 0 {width} {height}", role="img",
                aria_label=words,
            )[
                [_arrow(places[caller], places[callee], times)
                 for (caller, callee), times in edges.items()],
                [_box(node, place) for node, place in places.items()],
            ]
        ],
    ]  # fmt: skip


def _edges(spans: Sequence[Nested]) -> Counter[tuple[_Node, _Node]]:
    """Caller and callee -> how often. The caller is the nearest agent or workflow above."""
    edges: Counter[tuple[_Node, _Node]] = Counter()
    above: list[_Node | None] = []
    for nested in spans:
        del above[nested.depth :]
        node = _node(nested.span)
        caller = next((each for each in reversed(above) if each is not None), None)
        if node is not None and caller is not None and node != caller:
            edges[caller, node] += 1
        above.append(node if node is not None and node[0] in _ACTORS else None)
    return edges


def _node(span: Span) -> _Node | None:
    kind = KINDS.get(span.operation or "")
    if kind is None:
        return None
    if kind in ("call", "embed"):
        return kind, span.model or span.name
    return kind, span.name.removeprefix(span.operation or "").strip() or span.name


def _layers(edges: Counter[tuple[_Node, _Node]]) -> list[list[_Node]]:
    """The nodes by how far they are from those that nobody called."""
    callees = {callee for _, callee in edges}
    first = [caller for caller, _ in edges if caller not in callees] or [next(iter(edges))[0]]
    layers = [[*dict.fromkeys(first)]]
    placed = set(layers[0])
    while layers[-1]:
        layer = [
            callee for caller, callee in edges if caller in layers[-1] and callee not in placed
        ]
        layers.append([*dict.fromkeys(layer)])
        placed.update(layer)
    rest = [node for edge in edges for node in edge if node not in placed]
    return [*layers[:-1], *([[*dict.fromkeys(rest)]] if rest else [])]


def _arrow(caller: tuple[int, int], callee: tuple[int, int], times: int) -> Any:
    ahead = callee[0] > caller[0]
    x1, y1 = caller[0] + (_WIDTH if ahead else 0), caller[1] + _HEIGHT / 2
    x2, y2 = callee[0] + (0 if ahead else _WIDTH), callee[1] + _HEIGHT / 2
    middle = (x1 + x2) / 2
    path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    text = h.text(x=str((x1 + x2 * 3) / 4), y=str(y2 - 5), class_="times", text_anchor="middle")[
        f"{times}×"
    ]
    return [h.path(d=path, class_="arrow"), text if times > 1 else None]


def _box(node: _Node, place: tuple[int, int]) -> Any:
    kind, name = node
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    x, y = place
    return h.g(class_=f"node {kind}")[
        h.title[name],
        h.rect(x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=9),
        h.circle(cx=x + 16, cy=y + _HEIGHT // 2, r=5),
        h.text(x=x + 30, y=y + _HEIGHT // 2 + 4)[short],
    ]
