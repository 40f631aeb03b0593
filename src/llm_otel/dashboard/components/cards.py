"""Cards with one figure, and the frame of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import plotly.graph_objects as go
from dash import dcc, html

from llm_otel import formats
from llm_otel.dashboard.components.spoken import UNHEARD, chosen, named

_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 32
_HIGH: Final = "264px"
_TALL: Final = "340px"
# A change smaller than this has no colour.
_NOISE: Final = 0.02
# A figure of more characters is written smaller, so that it fits the narrowest card.
_LONG: Final = 8


def figure_card(
    title: str,
    value: str,
    *,
    change: float | None = None,
    good: int = 0,
    note: str = "",
    spark: Sequence[float | None] = (),
) -> Any:
    """One figure; `change` is against the period before, `good` the way that is good: -1, 0, 1."""
    tone = "" if change is None or abs(change) < _NOISE else _tone(change * good)
    compared = (
        html.Span(
            formats.signed(change), className=f"delta {tone}", title="against the period before"
        )
        if change is not None
        else None
    )
    return html.Div(
        [
            html.Div([html.H2(title), compared], className="figure-head"),
            html.P(value, className="figure long" if len(value) > _LONG else "figure"),
            html.P(note, className="muted figure-note"),
            sparkline(spark) if len([y for y in spark if y is not None]) > 2 else None,
        ],
        className="card figure-card",
    )


def _tone(direction: float) -> str:
    return "good" if direction > 0 else "bad" if direction < 0 else ""


def sparkline(values: Sequence[float | None]) -> Any:
    """A line without axes, from one known value to the next. It is a mask over the accent colour,
    so it follows the theme."""
    numbered = [(n, value) for n, value in enumerate(values) if value is not None]
    heights = [value for _, value in numbered]
    top, bottom = max(heights), min(0.0, *heights)
    span = (top - bottom) or 1.0
    step = _SPARK_WIDTH / (len(values) - 1)
    points = " ".join(
        f"{n * step:.1f},{_SPARK_HEIGHT - 2 - (value - bottom) / span * (_SPARK_HEIGHT - 4):.1f}"
        for n, value in numbered
    )
    start, end = numbered[0][0] * step, numbered[-1][0] * step
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}' "
        f"preserveAspectRatio='none'><polygon fill='#000' fill-opacity='.14' points='{start:.1f},"
        f"{_SPARK_HEIGHT} {points} {end:.1f},{_SPARK_HEIGHT}'/><polyline fill='none' "
        f"stroke='#000' stroke-width='1.6' vector-effect='non-scaling-stroke' points='{points}'/>"
        "</svg>"
    )
    mask = f'url("data:image/svg+xml,{quote(picture)}")'
    return html.Div(
        className="spark",
        style={"maskImage": mask, "WebkitMaskImage": mask},
        **UNHEARD,
    )


def figures(cards: Sequence[Any]) -> Any:
    """Figure cards, and lists of them, side by side."""
    return html.Div(flat(cards), className="figures")


def flat(parts: Sequence[Any]) -> list[Any]:
    """Parts, and lists of them, as one list."""
    return [each for part in parts for each in (part if isinstance(part, list) else [part])]


def chart_card(
    title: str,
    figure: go.Figure,
    says: str,
    *,
    about: str = "",
    extra: Any = None,
    name: str = "",
    wide: bool = False,
    tall: bool = False,
) -> Any:
    """A chart under its title; `says` tells in words what it shows, for those who do not see it.
    `name` is for a program that asks for it; without, it is the title's."""
    graph = dcc.Graph(
        figure=figure,
        config={"displayModeBar": False, "responsive": True},
        style={"height": _TALL if tall else _HIGH},
        # A graph that is there already is changed, not drawn anew, when the page reads again.
        id=f"chart-{name or title.lower().replace(' ', '-')}",
    )
    return html.Section(
        [
            html.Div(
                [
                    html.Div([html.H2(title), html.P(about, className="muted") if about else None]),
                    extra,
                ],
                className="card-head",
            ),
            html.Div(graph, role="img", **named(f"{title}: {says}")),
        ],
        className="card wide" if wide else "card",
    )


def grid(cards: Sequence[Any]) -> Any:
    """Cards in two columns where there is room."""
    return html.Div(list(cards), className="grid")


def switch(label: str, options: dict[str, tuple[str, bool]]) -> Any:
    """Links of which one is on: name → (address, whether it is)."""
    links = [
        dcc.Link([name, chosen(on)], href=address, className="segment on" if on else "segment")
        for name, (address, on) in options.items()
    ]
    return html.Nav(links, className="segments", **named(label))


def notice(children: Any, tone: str = "info") -> Any:
    """A sentence that one should not miss."""
    return html.Div(children, className=f"notice {tone}", role="status")
