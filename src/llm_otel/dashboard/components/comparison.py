"""Two models or prompts side by side: which is better, by how much, and its worst answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import card_head, flat, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.components.times import zoned
from llm_otel.dashboard.context import Context
from llm_otel.lake.queries import Reader, comparison
from llm_otel.lake.queries.comparison import SCORE, Choice, Comparison, Judged, Line
from llm_otel.lake.queries.statistics import Interval

_WRITE: Final = {
    "usd": formats.money,
    "s": formats.seconds,
    "share": formats.share,
    "score": formats.score,
}
_TOO_FEW: Final = "too few to tell"
_UNCLEAR: Final = "no clear difference"
_METHOD: Final = (
    "Intervals are of 95 %. Means by Welch, shares by Wilson and Newcombe, percentiles by order "
    "statistics. Calls were not assigned at random, so a difference may be that of their work."
)


@dataclass(frozen=True)
class Sides:
    """What can be compared, the two that are, how they compare, and their worst answers.

    Attributes:
        evaluation: What the worst answers were judged by; empty where nothing was.
    """

    choices: list[Choice]
    names: tuple[str, str] | None
    comparison: Comparison | None
    evaluation: str
    worst: list[Judged]


def by(context: Context) -> str:
    """What is compared: a key of `comparison.VARIANTS`."""
    return context.state.choice("by", comparison.VARIANTS)


def sides(context: Context, reader: Reader) -> Sides:
    """Read what the address asks for: `a` and `b`, or a usual pair."""
    state, kind = context.state, by(context)
    choices = comparison.choices(reader, kind)
    by_name = {choice.name: choice for choice in choices}
    usual = comparison.usual_pair(choices)
    a, b = state.get("a"), state.get("b")
    if a not in by_name and b not in by_name:
        a, b = usual or ("", "")
    if a not in by_name:
        a = next((name for name in (*(usual or ()), *by_name) if name != b), "")
    if b not in by_name or b == a:
        b = next((name for name in (*(usual or ())[::-1], *by_name) if name != a), "")
    if not (a and b):
        return Sides(choices, None, None, "", [])
    compared = comparison.compare(reader, kind, by_name[a], by_name[b])
    evaluations = compared.evaluations if compared else ()
    evaluation = state.get("evaluation")
    if evaluation not in evaluations:
        evaluation = evaluations[0] if evaluations else ""
    worst = comparison.worst(reader, evaluation, b) if evaluation else []
    return Sides(choices, (a, b), compared, evaluation, worst)


def comparison_table(pair: Sides) -> Table:
    """Each figure of both sides, the difference, and who is better."""
    a, b = pair.names or ("A", "B")
    return Table(
        "Side by side",
        (
            word("Figure", lambda r: r.what),
            word(f"A: {a}", lambda r: _with_interval(r.a, r.unit)),
            word(f"B: {b}", lambda r: _with_interval(r.b, r.unit)),
            word(
                "B − A, 95 % interval", lambda r: _with_interval(r.difference, r.unit, signed=True)
            ),
            word("Verdict", verdict, tone=lambda r: "good" if winner(r) else ""),
        ),
        pair.comparison.lines if pair.comparison else [],
        "There is only one of them in this window.",
    )


def worst_table(context: Context, pair: Sides, side: int) -> Table:
    """The answers of one side with the lowest scores."""
    name = pair.names[side] if pair.names else ""

    def trace(row: Judged) -> str:
        return context.there(f"/traces/{row.trace_id}", at=row.time.isoformat(timespec="seconds"))

    rows = [row for row in pair.worst if row.name == name]
    reasons = [word("Why", lambda r: r.explanation)] if any(r.explanation for r in rows) else []
    return Table(
        f"Worst answers of {'AB'[side]}: {name}",
        (
            Column("Score", lambda r: r.score, formats.score, numeric=False),
            word("Trace", lambda r: r.trace_id[:12], link=trace),
            word("Time (UTC)", lambda r: r.time, write=formats.when),
            word("Feature", lambda r: r.feature),
            word("Tenant", lambda r: r.tenant_id),
            *reasons,
        ),
        rows,
        "None was scored in this window.",
        f"By {pair.evaluation}, the lowest score first." if pair.evaluation else "",
    )


def worst_traces(context: Context, pair: Sides, side: int) -> Any:
    """A link to the list of traces with scores as low as those of the table; a prompt is nothing
    that the list can be asked for."""
    name = pair.names[side] if pair.names else ""
    scores = [row.score for row in pair.worst if row.name == name]
    if by(context) != "model" or not scores:
        return None
    limit = f"score.{pair.evaluation}<={max(scores):.6f}"
    href = context.there("/traces", model=name, where=(*context.state.all("where"), limit))
    return h.a(href=href, class_="button small")["All as low as these"]


def interval_words(interval: Interval | None, unit: str, *, signed: bool = False) -> str:
    """The bounds of an interval."""
    if interval is None:
        return formats.NOTHING
    if not interval.bounded:
        return _TOO_FEW
    write = _signed if signed else lambda value, unit: _WRITE[unit](value)
    return f"{write(interval.low, unit)} to {write(interval.high, unit)}"


def _with_interval(interval: Interval | None, unit: str, *, signed: bool = False) -> str:
    if interval is None:
        return formats.NOTHING
    value = _signed(interval.value, unit) if signed else _WRITE[unit](interval.value)
    return f"{value}  ({interval_words(interval, unit, signed=signed)})"


def _signed(value: float, unit: str) -> str:
    text = _WRITE[unit](value)
    if unit == "share":
        text = f"{text.removesuffix(' %')} pp"
    return f"+{text}" if value > 0 else text


def winner(line: Line) -> str:
    """`A` or `B`; empty where chance alone may be the difference."""
    if line.difference is not None:
        up = line.difference.value * line.better > 0
        return ("B" if up else "A") if line.difference.excludes_zero else ""
    a, b = line.a, line.b
    if a is None or b is None or not (a.bounded and b.bounded):
        return ""
    if a.low <= b.high and b.low <= a.high:
        return ""
    return "B" if (b.value - a.value) * line.better > 0 else "A"


def verdict(line: Line) -> str:
    """Who is better, in words."""
    if winner(line):
        return f"{winner(line)} is better"
    a, b = line.a, line.b
    bounded = a is not None and b is not None and a.bounded and b.bounded
    return _UNCLEAR if line.difference is not None or bounded else _TOO_FEW


def summary(pair: Sides) -> str:
    """The comparison in one or two sentences: the scores first, then what else differs."""
    if pair.comparison is None or pair.names is None:
        return "There is only one of them in this window."
    scores = [line for line in pair.comparison.lines if line.what.startswith(SCORE)]
    others = [line for line in pair.comparison.lines if line not in scores]
    sentence = " ".join(_by_scores(scores, pair.names))
    rest = [_otherwise(line) for line in others if line.difference is not None and winner(line)]
    return f"{sentence} {'; '.join(rest)}.".replace(" .", "") if rest else sentence


def _by_scores(scores: list[Line], names: tuple[str, str]) -> list[str]:
    if not scores:
        return ["No evaluation scored both, so nothing says which answers better."]
    sentences = []
    for side, name in zip("AB", names):
        gains = [
            f"{line.what.removeprefix(SCORE)} +{formats.score(abs(line.difference.value))}"
            for line in scores
            if winner(line) == side and line.difference is not None
        ]
        if gains:
            sentences.append(f"{side} ({name}) is better: {', '.join(gains)}.")
    return sentences or ["Their scores show no clear difference."]


def _otherwise(line: Line) -> str:
    """What B is in a figure that is not a score: less or more, by how much."""
    assert line.difference is not None
    more = line.difference.value > 0
    amount = _signed(abs(line.difference.value), line.unit).removeprefix("+")
    words = {
        "usd": f"B costs {amount} {'more' if more else 'less'} a call",
        "s": f"B is {amount} {'slower' if more else 'faster'}",
        "share": f"B fails {amount} {'more' if more else 'less'} often",
    }
    return words[line.unit]


def verdict_card(context: Context, pair: Sides) -> Any:
    """The sentence, what is compared, and how."""
    return h.section(class_="card verdict")[
        card_head("Which is better", "", _menus(context, pair)),
        h.p(class_="verdict-words")[summary(pair)],
        _recent(pair),
        h.details(class_="method")[h.summary["How this is computed"], h.p(class_="muted")[_METHOD]],
    ]


def _recent(pair: Sides) -> Any:
    since = pair.comparison.scored_since if pair.comparison else None
    if since is None:
        return None
    return h.p(class_="muted")[
        zoned(
            f"Scores from {formats.when(since)} UTC on: looking up the prompt of every score in "
            "this window takes too long. The other figures are of the whole window."
        )
    ]


def _menus(context: Context, pair: Sides) -> Any:
    kinds = {
        f"{kind.title()}s": (context.here(by=kind, a=None, b=None), kind == by(context))
        for kind in comparison.VARIANTS
    }
    names = pair.names or ()
    menus = [
        h.details(class_="menu")[
            h.summary(class_="button small")[f"{side.upper()}: {name}"],
            h.ul(class_="popover end")[
                [
                    h.li[
                        h.a(
                            href=context.here(**{**dict(zip("ab", names)), side: choice.name}),
                            class_="option",
                        )[choice.name]
                    ]
                    for choice in pair.choices
                    if choice.name not in names
                ]
                or h.li(class_="muted")["no other"]
            ],
        ]
        for side, name in zip("ab", names)
    ]
    return h.div(class_="row")[flat([switch("Compare", kinds), menus])]
