"""Cards with one figure, and the frame of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.spoken import chosen
from llm_otel.dashboard.components.times import zoned

_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 32
# A change smaller than this has no colour.
_NOISE: Final = 0.02
# A figure of more characters is written smaller, so that it fits the narrowest card.
_LONG: Final = 8


def figure_card(
    title: str,
    value: str,
    *,
    change: float | None = None,
    moved: str = "",
    good: int = 0,
    note: Any = "",
    spark: Sequence[float | None] = (),
) -> Any:
    """One figure; `change` is against the period before, and `moved` how that is written where it
    is not a part; `good` is the way that is good: -1, 0, 1."""
    tone = "" if change is None or abs(change) < _NOISE else _tone(change * good)
    compared = (
        h.span(class_=f"delta {tone}", title="against the period before")[
            moved or formats.signed(change)
        ]
        if change is not None
        else None
    )
    return h.div(class_="card figure-card")[
        h.div(class_="figure-head")[h.h2[title], compared],
        h.p(class_="figure long" if len(value) > _LONG else "figure")[value],
        h.p(class_="muted figure-note")[note],
        sparkline(spark) if len([y for y in spark if y is not None]) > 2 else None,
    ]


def _tone(direction: float) -> str:
    return "good" if direction > 0 else "bad" if direction < 0 else ""


def sparkline(values: Sequence[float | None]) -> Any:
    """A line without axes, from one known value to the next, in the accent colour."""
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
    below = f"{start:.1f},{_SPARK_HEIGHT} {points} {end:.1f},{_SPARK_HEIGHT}"
    return h.svg(
        class_="spark",
        viewBox=f"0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )[h.polygon(points=below), h.polyline(points=points)]


def bar(start: float, width: float, kind: str = "") -> Any:
    """A horizontal bar in a track.

    Args:
        start, width: Where it begins and how long it is, in percent of the track.
        kind: A class of the style sheet, which colours it.
    """
    return h.svg(class_=f"track {kind}".rstrip(), aria_hidden="true")[
        h.rect(x=f"{start:.2f}%", width=f"{width:.2f}%", height="100%", rx="3")
    ]


def figures(cards: Sequence[Any]) -> Any:
    """Figure cards, and lists of them, side by side."""
    return h.div(class_="figures")[flat(cards)]


def flat(parts: Sequence[Any]) -> list[Any]:
    """Parts, and lists of them, as one list."""
    return [each for part in parts for each in (part if isinstance(part, list) else [part])]


def chart_card(
    chart: Chart, name: str, extra: Any = None, *, wide: bool = False, tall: bool = False
) -> Any:
    """A chart in its card.

    Args:
        chart: What to draw; `assets/charts.js` does.
        name: Its name on this page.
        extra: Stands beside the title.
        wide: It takes a row for itself.
        tall: It is higher than others.
    """
    plot = h.div(
        # A chart that is there already is changed, not drawn anew, when the page reads again.
        id=f"chart-{name}",
        class_="plot tall" if tall else "plot",
        data_figure=chart.figure.json(),
        data_to=chart.to or None,
        data_by=chart.by or None,
        data_rest=chart.rest or None,
        data_step=chart.step_s,
        hx_morph_skip_children="",
    )
    return h.section(class_="card wide" if wide else "card")[
        card_head(chart.title, chart.about, extra),
        h.div(role="img", aria_label=f"{chart.title}: {chart.says}")[plot],
    ]


def card_head(title: str, about: str = "", *beside: Any) -> Any:
    """The head of a card: its title, a line about it, and what stands on the other side."""
    return h.div(class_="card-head")[
        h.div[h.h2[title], h.p(class_="muted")[zoned(about)] if about else None],
        h.div(class_="row")[beside] if any(beside) else None,
    ]


def grid(cards: Sequence[Any]) -> Any:
    """Cards in two columns where there is room."""
    return h.div(class_="grid")[list(cards)]


def switch(label: str, options: dict[str, tuple[str, bool]]) -> Any:
    """Links of which one is on: name → (address, whether it is)."""
    links = [
        h.a(href=address, class_="segment on" if on else "segment")[name, chosen(on)]
        for name, (address, on) in options.items()
    ]
    return h.nav(class_="segments", aria_label=label)[links]


def notice(children: Any, tone: str = "info") -> Any:
    """A sentence that one should not miss."""
    return h.div(class_=f"notice {tone}", role="status")[children]
