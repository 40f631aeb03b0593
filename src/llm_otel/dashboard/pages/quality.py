"""Quality: scores, their drift, and two models or prompts side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import htpy as h

from llm_otel import escaping, formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import figure_card, figures, flat, grid, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.timeline import Timeline, stretch
from llm_otel.formats import change
from llm_otel.lake.queries import Reader, quality, statistics
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.quality import Choice, Comparison, Line, Quality, Summary
from llm_otel.lake.queries.statistics import Interval

_WRITE: Final = {
    "usd": formats.money,
    "s": formats.seconds,
    "share": formats.share,
    "score": formats.score,
}
_TOO_FEW: Final = "too few to tell"
_DRAWN_MODELS: Final = 5
_LEAST_SCORES: Final = 5


@dataclass(frozen=True)
class _Sides:
    """What can be compared, the two that are, and how they compare."""

    choices: list[Choice]
    names: tuple[str, str] | None
    comparison: Comparison | None


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        reader = Lazy(context.reader)
        evaluation = context.state.get("evaluation") or None
        self.scores = Lazy(lambda: quality.quality(reader(), evaluation))
        self.sides = Lazy(lambda: _compare(context, reader()))


def _by(context: Context) -> str:
    return context.state.choice("by", quality.VARIANTS)


def _compare(context: Context, reader: Reader) -> _Sides:
    state, by = context.state, _by(context)
    choices = quality.choices(reader, by)
    names = [choice.name for choice in choices]
    a = state.get("a") if state.get("a") in names else (names[0] if names else "")
    others = [name for name in names if name != a]
    b = state.get("b") if state.get("b") in others else (others[0] if others else "")
    if not (a and b):
        return _Sides(choices, None, None)
    return _Sides(choices, (a, b), quality.compare(reader, by, a, b))


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "scores": lambda: _evaluations(context, data.scores()),
        "comparison": lambda: _comparison(data.sides()),
    }


def _evaluations(context: Context, scores: Quality) -> Table:
    def moved(row: Summary) -> float | None:
        earlier = scores.before.get(row.evaluation)
        return change(row.mean, earlier.mean if earlier else None)

    return Table(
        "Evaluations",
        (
            word(
                "Evaluation",
                lambda r: r.evaluation,
                link=lambda r: context.here(evaluation=r.evaluation),
            ),
            Column("Scores", lambda r: r.scores, formats.count),
            Column("Mean", lambda r: r.mean, formats.score),
            word("95 % interval", lambda r: _interval(r.interval, "score")),
            Column("Change", moved, formats.signed),
            Column("P10", lambda r: r.p10, formats.score),
            Column("Median", lambda r: r.p50, formats.score),
        ),
        scores.summaries,
    )


def _comparison(sides: _Sides) -> Table:
    a, b = sides.names or ("A", "B")
    return Table(
        "Side by side",
        (
            word("Figure", lambda r: r.what),
            word(a, lambda r: _with_interval(r.a, r.unit)),
            word(b, lambda r: _with_interval(r.b, r.unit)),
            word("Difference, 95 %", lambda r: _with_interval(r.difference, r.unit)),
            word("Verdict", _verdict, tone=_tone),
        ),
        sides.comparison.lines if sides.comparison else [],
        "There is only one of them in this window.",
        "Means by Welch, shares by Wilson and Newcombe, percentiles by order statistics; "
        "scores of prompts are of the last 7 days. "
        "Calls were not assigned at random: a difference may be that of their work.",
    )


def _interval(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return formats.NOTHING
    if not interval.bounded:
        return _TOO_FEW
    return f"{_WRITE[unit](interval.low)} to {_WRITE[unit](interval.high)}"


def _with_interval(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return formats.NOTHING
    return f"{_WRITE[unit](interval.value)}  ({_interval(interval, unit)})"


def _verdict(line: Line) -> str:
    difference = line.difference
    if difference is None:
        a, b = line.a, line.b
        if a is None or b is None or not (a.bounded and b.bounded):
            return _TOO_FEW
        return "intervals apart" if a.high < b.low or b.high < a.low else "intervals overlap"
    if not difference.excludes_zero:
        return "no clear difference"
    return "B is better" if difference.value * line.better > 0 else "A is better"


def _tone(line: Line) -> str:
    return "good" if "better" in _verdict(line) else ""


def _plots(context: Context, data: _Data) -> Charts:
    def spread() -> Chart | None:
        if not data.scores().summaries:
            return None
        says = "shares of scores by value"
        return Chart(
            "Distribution", _distribution(data.scores()), says, "How the scores are spread"
        )

    def drift() -> Chart | None:
        scores = data.scores()
        if not scores.drift:
            return None
        evaluation = scores.drift[0].evaluation
        return Chart(
            "Drift",
            _drift(common.times(context, scores.drift, scores.drift_s), scores),
            f"mean of {evaluation} by model over time",
            f"Mean {evaluation} of {stretch(scores.drift_s)} by model, with its 95 % interval "
            f"from {_LEAST_SCORES} scores on",
        )

    return {"scores": spread, "drift": drift}


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    return flat(
        [
            common.unknown_choice(context, "by", quality.VARIANTS),
            common.part(
                context, "The scores", lambda: _scores(context, data.scores(), tables, plots)
            ),
            common.part(
                context,
                "The comparison",
                lambda: common.show(context, tables, "comparison", _sides(context, data.sides())),
            ),
        ]
    )


def _scores(context: Context, scores: Quality, tables: Tables, plots: Charts) -> list[Any]:
    if not scores.summaries:
        return [empty.hint("scores")]
    evaluation = scores.drift[0].evaluation if scores.drift else ""
    evaluations = {
        row.evaluation: (context.here(evaluation=row.evaluation), row.evaluation == evaluation)
        for row in scores.summaries
    }
    return [
        common.part(
            context,
            "The figures",
            lambda: figures([_card(row, scores) for row in scores.summaries[:5]]),
        ),
        grid(
            [
                common.draw(context, plots, "scores"),
                common.draw(context, plots, "drift", switch("Evaluation", evaluations)),
            ]
        ),
        common.show(context, tables, "scores"),
    ]


def _card(row: Summary, scores: Quality) -> Any:
    earlier = scores.before.get(row.evaluation)
    return figure_card(
        row.evaluation.title(),
        formats.score(row.mean),
        good=1,
        change=change(row.mean, earlier.mean if earlier else None),
        note=f"{formats.count(row.scores)} scores",
    )


def _distribution(scores: Quality) -> charts.Figure:
    figure = charts.figure("share")
    sums = {row.evaluation: row.scores for row in scores.summaries}
    for number, (name, size) in enumerate(sums.items()):
        bins = {round(b.low, 2): b.scores / size for b in scores.bins if b.evaluation == name}
        edges = [n / 20 for n in range(21)]
        shares = [bins.get(edge, 0) for edge in edges[:-1]]
        figure.add(
            "scatter",
            x=edges,
            y=[*shares, shares[-1]],
            name=escaping.plotly(name),
            mode="lines",
            line={
                "shape": "hv",
                "width": 2,
                "color": charts.PALETTE[number % len(charts.PALETTE)],
            },
            hovertemplate="%{y:.1%}",
        )
    figure.axis("x", range=[0, 1], tickformat=".1f")
    return figure


def _drift(line: Timeline, scores: Quality) -> charts.Figure:
    sizes: dict[str, int] = {}
    for row in scores.drift:
        sizes[row.model or NONE] = sizes.get(row.model or NONE, 0) + row.scores
    names = sorted(sizes, key=lambda name: -sizes[name])[:_DRAWN_MODELS]
    rows = {name: [r for r in scores.drift if (r.model or NONE) == name] for name in names}
    figure = charts.lines(
        line, {name: line.values(rows[name], lambda r: r.mean) for name in names}, "score"
    )
    for number, name in enumerate(names):
        intervals = [
            (row.time, interval)
            for row in rows[name]
            if row.scores >= _LEAST_SCORES
            and (interval := statistics.mean(row.mean, row.deviation, row.scores))
        ]
        if len(intervals) > 1:
            charts.band(
                figure,
                [time for time, _ in intervals],
                [interval.low for _, interval in intervals],
                [interval.high for _, interval in intervals],
                charts.PALETTE[number],
            )
    means = [row.mean for row in scores.drift]
    space = max((max(means, default=0) - min(means, default=0)) * 0.1, 0.02)
    figure.axis("y", rangemode="normal", range=[min(means) - space, max(means) + space])
    return figure


def _sides(context: Context, sides: _Sides) -> Any:
    by = _by(context)
    kinds = {
        kind.title() + "s": (context.here(by=kind, a=None, b=None), kind == by)
        for kind in quality.VARIANTS
    }
    menus = [
        h.details(class_="menu")[
            h.summary(class_="button small")[f"{side.upper()}: {name}"],
            h.ul(class_="popover end")[
                [
                    h.li[
                        h.a(href=context.here(**{side: choice.name}), class_="option")[choice.name]
                    ]
                    for choice in sides.choices
                ]
            ],
        ]
        for side, name in zip("ab", sides.names or ())
    ]
    return h.div(class_="row")[[switch("Compare", kinds), *menus]]


PAGE = Page("/quality", "Quality", "How good the answers are", _Data, _tables, _plots, _show)
