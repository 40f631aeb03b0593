"""Quality: scores, their drift, and two models or prompts side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dash import dcc, html

from llm_otel import escaping, formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import chart_card, figure_card, figures, grid, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context, Page
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import quality, statistics
from llm_otel.lake.queries.quality import Choice, Comparison, Line, Quality, Summary
from llm_otel.lake.queries.statistics import Interval

_WRITE: Final = {
    "usd": formats.money,
    "s": formats.seconds,
    "share": formats.share,
    "score": formats.score,
}
_DRAWN_MODELS: Final = 5
_LEAST_SCORES: Final = 5


@dataclass(frozen=True)
class _Data:
    scores: Quality
    choices: list[Choice]
    sides: tuple[str, str] | None
    comparison: Comparison | None


def _by(context: Context) -> str:
    return context.state.choice("by", quality.VARIANTS)


def _read(context: Context) -> _Data:
    reader, state, by = context.reader(), context.state, _by(context)
    scores = quality.quality(reader, state.get("evaluation") or None)
    choices = quality.choices(reader, by)
    names = [choice.name for choice in choices]
    a = state.get("a") if state.get("a") in names else (names[0] if names else "")
    others = [name for name in names if name != a]
    b = state.get("b") if state.get("b") in others else (others[0] if others else "")
    if not (a and b):
        return _Data(scores, choices, None, None)
    return _Data(scores, choices, (a, b), quality.compare(reader, by, a, b))


def _tables(context: Context, data: _Data) -> dict[str, Table]:
    before = data.scores.before

    def moved(row: Summary) -> float | None:
        earlier = before.get(row.evaluation)
        return change(row.mean, earlier.mean if earlier else None)

    a, b = data.sides or ("A", "B")
    return {
        "scores": Table(
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
            data.scores.summaries,
        ),
        "comparison": Table(
            "Side by side",
            (
                word("Figure", lambda r: r.what),
                word(a, lambda r: _with_interval(r.a, r.unit)),
                word(b, lambda r: _with_interval(r.b, r.unit)),
                word("Difference, 95 %", lambda r: _with_interval(r.difference, r.unit)),
                word("Verdict", _verdict, tone=_tone),
            ),
            data.comparison.lines if data.comparison else [],
            "There is only one of them in this window.",
            "Means by Welch, shares by Wilson and Newcombe, percentiles by order statistics; "
            "scores of prompts are of the last 7 days. "
            "Nobody drew lots for these calls: a difference may be that of their work.",
        ),
    }


def _interval(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return formats.NOTHING
    return f"{_WRITE[unit](interval.low)} to {_WRITE[unit](interval.high)}"


def _with_interval(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return formats.NOTHING
    return f"{_WRITE[unit](interval.value)}  ({_interval(interval, unit)})"


def _verdict(line: Line) -> str:
    difference = line.difference
    if difference is None:
        apart = line.a and line.b and (line.a.high < line.b.low or line.b.high < line.a.low)
        return "intervals apart" if apart else "intervals overlap"
    if not difference.excludes_zero:
        return "no clear difference"
    return "B is better" if difference.value * line.better > 0 else "A is better"


def _tone(line: Line) -> str:
    return "good" if "better" in _verdict(line) else ""


def _show(context: Context, data: _Data, tables: dict[str, Table]) -> list[Any]:
    scores = data.scores
    parts: list[Any] = []
    if scores.summaries:
        chosen = scores.drift[0].evaluation if scores.drift else ""
        evaluations = {
            row.evaluation: (context.here(evaluation=row.evaluation), row.evaluation == chosen)
            for row in scores.summaries
        }
        parts += [
            figures([_card(row, scores) for row in scores.summaries[:5]]),
            grid(
                [
                    chart_card(
                        "Distribution",
                        _distribution(scores),
                        "shares of scores by value",
                        about="How the scores are spread",
                    ),
                    chart_card(
                        "Drift",
                        _drift(scores),
                        f"mean of {chosen} by model over time",
                        about=f"Mean {chosen} by model, with its 95 % interval",
                        extra=switch("Evaluation", evaluations),
                    ),
                ]
            ),
            common.show(context, tables, "scores"),
        ]
    else:
        parts.append(empty.hint("scores"))
    return [*parts, common.show(context, tables, "comparison", _sides(context, data))]


def _card(row: Summary, scores: Quality) -> Any:
    earlier = scores.before.get(row.evaluation)
    return figure_card(
        row.evaluation.title(),
        formats.score(row.mean),
        good=1,
        change=change(row.mean, earlier.mean if earlier else None),
        note=f"{formats.count(row.scores)} scores",
    )


def _distribution(scores: Quality) -> Any:
    made = charts.figure("share")
    sums = {row.evaluation: row.scores for row in scores.summaries}
    for number, (name, size) in enumerate(sums.items()):
        bins = {round(b.low, 2): b.scores / size for b in scores.bins if b.evaluation == name}
        xs = [n / 20 for n in range(20)]
        made.add_scatter(
            x=[x + 0.025 for x in xs],
            y=[bins.get(x, 0) for x in xs],
            name=escaping.plotly(name),
            mode="lines",
            line={
                "shape": "spline",
                "smoothing": 0.6,
                "width": 2,
                "color": charts.PALETTE[number % len(charts.PALETTE)],
            },
            hovertemplate="%{y:.1%}",
        )
    made.update_xaxes(range=[0, 1], tickformat=".1f")
    return made


def _drift(scores: Quality) -> Any:
    made = charts.figure("score")
    sizes: dict[str, int] = {}
    for row in scores.drift:
        sizes[row.model or "none"] = sizes.get(row.model or "none", 0) + row.scores
    names = sorted(sizes, key=lambda name: -sizes[name])[:_DRAWN_MODELS]
    for number, name in enumerate(names):
        rows = [
            r for r in scores.drift if (r.model or "none") == name and r.scores >= _LEAST_SCORES
        ]
        colour = charts.PALETTE[number]
        found = [statistics.mean(r.mean, r.deviation, r.scores) for r in rows]
        xs = [r.time for r in rows]
        charts.band(
            made,
            xs,
            [i.low if i else None for i in found],
            [i.high if i else None for i in found],
            colour,
        )
        made.add_scatter(
            x=xs,
            y=[r.mean for r in rows],
            name=escaping.plotly(name),
            mode="lines",
            hovertemplate="%{y:.3f}",
            line={"width": 2, "color": colour},
        )
    made.update_yaxes(rangemode="normal")
    return made


def _sides(context: Context, data: _Data) -> Any:
    by = _by(context)
    kinds = {
        kind.title() + "s": (context.here(by=kind, a=None, b=None), kind == by)
        for kind in quality.VARIANTS
    }
    menus = [
        html.Details(
            [
                html.Summary(f"{side.upper()}: {chosen}", className="button small"),
                html.Ul(
                    [
                        html.Li(
                            dcc.Link(
                                choice.name,
                                href=context.here(**{side: choice.name}),
                                className="option",
                            )
                        )
                        for choice in data.choices
                    ],
                    className="popover end",
                ),
            ],
            className="menu",
        )
        for side, chosen in zip("ab", data.sides or ())
    ]
    return html.Div([switch("Compare", kinds), *menus], className="row")


PAGE = Page("/quality", "Quality", "How good the answers are", _read, _tables, _show)
