"""Quality: scores, their drift, and two models or prompts side by side."""

from __future__ import annotations

from typing import Any, Final

import htpy as h

from llm_otel import escaping, formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components import comparison, empty
from llm_otel.dashboard.components.cards import figure_card, figures, flat, grid, notice, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.timeline import Timeline, stretch
from llm_otel.formats import change
from llm_otel.lake.queries import quality, statistics
from llm_otel.lake.queries.comparison import VARIANTS
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.quality import Quality, Summary

_DRAWN_MODELS: Final = 5
_LEAST_SCORES: Final = 5


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        reader = Lazy(context.reader)
        evaluation = context.state.get("evaluation") or None
        self.scores = Lazy(lambda: quality.quality(reader(), evaluation))
        self.sides = Lazy(lambda: comparison.sides(context, reader()))


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "scores": lambda: _evaluations(context, data.scores()),
        "comparison": lambda: comparison.comparison_table(data.sides()),
        "worst-a": lambda: comparison.worst_table(context, data.sides(), 0),
        "worst-b": lambda: comparison.worst_table(context, data.sides(), 1),
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
            word("95 % interval", lambda r: comparison.interval_words(r.interval, "score")),
            Column("Change", moved, formats.signed),
            Column("P10", lambda r: r.p10, formats.score),
            Column("Median", lambda r: r.p50, formats.score),
        ),
        scores.summaries,
    )


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
            common.unknown_choice(context, "by", VARIANTS),
            notice(
                [
                    "Rate answers yourself, one after the other, with the keyboard: ",
                    h.a(href=context.there("/label"))["open the queue of unrated traces"],
                ]
            ),
            common.part(
                context, "The scores", lambda: _scores(context, data.scores(), tables, plots)
            ),
            common.part(
                context, "The comparison", lambda: _compared(context, data.sides(), tables)
            ),
        ]
    )


def _compared(context: Context, sides: comparison.Sides, tables: Tables) -> list[Any]:
    """The verdict, the figures it follows from, and the answers to look at."""
    if sides.names is None:
        return [comparison.verdict_card(context, sides)]
    worst = [
        common.show(context, tables, name, comparison.worst_traces(context, sides, side))
        for side, name in enumerate(("worst-a", "worst-b"))
    ]
    return [
        comparison.verdict_card(context, sides),
        common.show(context, tables, "comparison"),
        grid(worst) if sides.worst else None,
    ]


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
    figure.axis("x", range=[0, 1.005], tickformat=".1f", dtick=0.2)
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
        ends = {
            row.time: (interval.low, interval.high)
            for row in rows[name]
            if row.scores >= _LEAST_SCORES
            and (interval := statistics.mean(row.mean, row.deviation, row.scores))
        }
        charts.band(figure, line, ends, charts.PALETTE[number])
    means = [row.mean for row in scores.drift]
    space = max((max(means, default=0) - min(means, default=0)) * 0.1, 0.02)
    figure.axis("y", rangemode="normal", range=[min(means) - space, max(means) + space])
    return figure


PAGE = Page("/quality", "Quality", "How good the answers are", _Data, _tables, _plots, _show)
