"""Errors: what was not answered, why, since when, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import htpy as h

from llm_otel import formats, semconv
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.cards import figure_card, figures, grid, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.lake.queries import Reader, failures, usage
from llm_otel.lake.queries.failures import OTHERS, Failure, Failures
from llm_otel.lake.queries.filters import NONE

_LABELS: Final = {
    "error_type": "Class",
    "model": "Model",
    "provider": "Provider",
    "tenant_id": "Tenant",
    "feature": "Feature",
    "service": "Service",
}
_KINDS: Final = {
    "failed": ("Failed", "on the provider's side, or on the way", charts.BAD),
    "refused": ("Refused", "for what they asked", charts.WARN),
    "cancelled": ("Cancelled", "by the program that asked", charts.REST),
}
_TONES: Final = {"failed": "bad", "refused": "warn", "cancelled": ""}


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        self.failures = Lazy(lambda: failures.failures(context.reader(), _by(context)))
        self.requests = Lazy(lambda: _requests(context))


def _by(context: Context) -> str:
    return context.state.choice("by", _LABELS)


def _requests(context: Context) -> int:
    # Of all calls, whatever errors the page is narrowed to.
    calls = replace(context.filter, error_type=(), status=())
    reader = Reader(context.lake, calls)
    usage.keep_window(reader)
    return usage.request_counts(reader).requests


def _tables(context: Context, data: _Data) -> Tables:
    return {"errors": lambda: _errors(context, data.failures())}


def _errors(context: Context, data: Failures) -> Table:
    by = _by(context)
    total = sum(data.kinds.values())

    def traces(row: Failure) -> str:
        name = row.name or NONE
        if by == "error_type":
            # A stream that was cancelled may have the status alone; one class is one status there.
            if row.kind == "cancelled":
                return context.there("/traces", status="cancelled")
            if name == "error":
                return context.there("/traces", status="error", error_type=NONE)
            return context.there("/traces", error_type=name)
        return (
            context.state.shared()
            .to(status=("error", "cancelled"))
            .to(**{by: name})
            .href("/traces")
        )

    def about(row: Failure) -> str:
        return (
            semconv.ERROR_CLASSES.get(row.name or "", "") if by == "error_type" else row.most or ""
        )

    return Table(
        f"By {_LABELS[by].lower()}",
        (
            word(_LABELS[by], lambda r: r.name or NONE, link=traces),
            word("Kind", lambda r: _KINDS[r.kind][0].lower(), tone=lambda r: _TONES[r.kind]),
            word("Means" if by == "error_type" else "Most are", about, on_page=by != "error_type"),
            Column("Calls", lambda r: r.calls, formats.count, bar=True),
            Column("Share", lambda r: r.calls / total if total else None, formats.share),
            word("First seen (UTC)", lambda r: r.first_seen, write=formats.when),
            word("Last seen (UTC)", lambda r: r.last_seen, write=formats.when),
            common.cost_column(),
            word("Newest", lambda r: r.examples[0][0][:8] if r.examples else None,
                 link=lambda r: _example(context, r)),
            common.unpriced_column(on_page=False),
        ),
        data.rows,
        "Every call of this window was answered.",
        "Calls by the metrics where there are any; first, last, cost and newest are of the spans.",
    )  # fmt: skip


def _example(context: Context, row: Failure) -> str | None:
    if not row.examples:
        return None
    trace, time = row.examples[0]
    return context.there(f"/traces/{trace}", at=time.isoformat(timespec="seconds"))


def _plots(context: Context, data: _Data) -> Charts:
    return {
        "errors": lambda: over_time(context, data.failures()),
        "kinds": lambda: _kinds(context, data.failures()),
    }


def over_time(context: Context, data: Failures) -> Chart:
    """Errors by class over time."""
    line = common.times(context, data.points)
    series: dict[str, dict[Any, float]] = {}
    for point in data.points:
        of_class = series.setdefault(point.name, {})
        of_class[point.time] = of_class.get(point.time, 0) + point.calls
    names = sorted(series, key=lambda name: (name == OTHERS, -sum(series[name].values())))
    sums = {name: [series[name].get(start, 0) for start in line.starts] for name in names}
    return Chart(
        "Errors by class",
        charts.bars(line, sums, "count", charts.colours(names, OTHERS)),
        f"{formats.plural(sum(data.kinds.values()), 'call')} not answered",
        line.about,
        to=context.there("/traces"),
        by="error_type",
        rest=OTHERS,
        step_s=line.step_s,
    )


def _kinds(context: Context, data: Failures) -> Chart:
    line = common.times(context, data.points)
    sums = {
        _KINDS[kind][0].lower(): line.sums(
            _added([point for point in data.points if point.kind == kind]), lambda p: p.calls
        )
        for kind in _KINDS
        if kind in data.kinds
    }
    colours = [_KINDS[kind][2] for kind in _KINDS if kind in data.kinds]
    return Chart(
        "Failed, refused, cancelled",
        charts.bars(line, sums, "count", colours or charts.PALETTE),
        ", ".join(f"{formats.count(calls)} {kind}" for kind, calls in data.kinds.items()),
        line.about,
        to=context.there("/traces", status=("error", "cancelled")),
        step_s=line.step_s,
    )


def _added(points: list[failures.Point]) -> list[failures.Point]:
    """One point for each time."""
    by_time: dict[Any, failures.Point] = {}
    for point in points:
        before = by_time.get(point.time)
        calls = point.calls + (before.calls if before else 0)
        by_time[point.time] = failures.Point(point.time, point.kind, point.name, calls)
    return list(by_time.values())


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    by = _by(context)
    splits = {label: (context.here(by=key), key == by) for key, label in _LABELS.items()}
    return [
        common.unknown_choice(context, "by", _LABELS),
        common.part(
            context, "The figures", lambda: figures(_cards(data.failures(), data.requests()))
        ),
        grid([common.draw(context, plots, name) for name in plots]),
        common.show(context, tables, "errors", switch("List by", splits)),
        _meanings(),
    ]


def _cards(data: Failures, requests: int) -> list[Any]:
    cards = [
        figure_card(
            title,
            formats.count(data.kinds.get(kind, 0)),
            note=f"{formats.share(data.kinds.get(kind, 0) / requests)} of the calls, {about}"
            if requests
            else about,
        )
        for kind, (title, about, _) in _KINDS.items()
    ]
    costs = [row.cost_usd for row in data.rows if row.cost_usd is not None]
    unpriced = sum(row.unpriced for row in data.rows)
    paid = figure_card(
        "Paid all the same",
        formats.cost(sum(costs) if costs else None, unpriced),
        note=formats.missing(unpriced) or "for calls that were not answered",
    )
    return [*cards, paid]


def _meanings() -> Any:
    """What the classes mean, for those who want to know."""
    items = [h.div[h.dt[name], h.dd[about]] for name, about in semconv.ERROR_CLASSES.items()]
    return h.details(class_="card", id="meanings")[
        h.summary[h.h2(class_="inline")["What the classes mean"]], h.dl(class_="meanings")[items]
    ]


PAGE = Page("/errors", "Errors", "What was not answered, and why", _Data, _tables, _plots, _show)
