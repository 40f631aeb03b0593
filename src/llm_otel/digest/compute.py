"""From the lake to a digest: every number in it is computed here or in what this calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from math import inf
from typing import Any, Final

from llm_otel import formats, projected_month
from llm_otel.digest import actions, budgets
from llm_otel.digest.anomalies import unusual
from llm_otel.digest.daily_usage import HISTORY, Cell, Cells
from llm_otel.digest.model import (
    DIMENSIONS,
    Digest,
    Errors,
    Figure,
    Finding,
    Period,
    Unit,
)
from llm_otel.digest.quality import Quality, read_errors, read_p95, read_quality
from llm_otel.lake.queries.drivers import changes, explained
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Connects, Reader
from llm_otel.monthly_budgets import Budgets
from llm_otel.projected_month import month_of

PERIODS: Final = {"day": 1, "week": 7}

_LISTED: Final = 5
_PICTURED_DAYS: Final = 28
# Of this many of each dimension, the most expensive, the cost is watched.
_WATCHED: Final = 20
# Differences smaller than these are of no interest to anybody.
_LEAST_CAUSE_USD: Final = 0.005
_LEAST_USD: Final = 1.0
_LEAST_USD_SHARE: Final = 0.05
_LEAST_CALLS: Final = 20
_LEAST_SHARE: Final = 0.02
_LEAST_SECONDS: Final = 0.5


def period(kind: str, last: date) -> Period:
    """The day `last`, or the seven days that end with it, and what is a week earlier."""
    since = last + timedelta(days=1 - PERIODS[kind])
    return Period(kind, since, last + timedelta(days=1), since - timedelta(days=7))


def compute(lake: Connects, of: Period, limits: Budgets, dashboard: str = "") -> Digest:
    """The digest of a period.

    Args:
        lake: Where to read.
        of: Which period.
        limits: What may be spent in a month.
        dashboard: Where the pages are that the digest links to; empty: it links to none.
    """
    window = Reader(lake, _filter(of.until - HISTORY, of.until), timedelta())
    cells = Cells.read(window)
    of = _comparable(cells, of)
    now, before = cells.within(of.since, of.until), cells.within(of.before, of.before_until)
    reader = Reader(lake, _filter(of.since, of.until))
    reader_before = Reader(lake, _filter(of.before, of.before_until), timedelta())
    quality, earlier = read_quality(reader), read_quality(reader_before)
    used_now, used_before = now.uses(), before.uses()
    moved = {**used_before, **used_now} if used_before else {}
    return Digest(
        period=of,
        made=datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0),
        figures=tuple(_figures(now, before, quality, earlier, _month(cells, of))),
        causes=_material(explained(used_before, used_now)) if moved else {},
        drivers={
            name: tuple(
                each
                for each in changes(used_before, used_now, lambda key, n=n: key[n])[:_LISTED]  # type: ignore[misc]
                if each.amount
            )
            for n, name in enumerate(DIMENSIONS)
        }
        if moved
        else {},
        errors=tuple(_errors(read_errors(reader), read_errors(reader_before))),
        budgets=tuple(budgets.uses(cells, of, limits)),
        anomalies=tuple(_once_each(_anomalies(cells, window, of))),
        actions=tuple(actions.find(reader)),
        daily=cells.within(of.until - timedelta(days=_PICTURED_DAYS), of.until).daily_by_model(),
        dashboard=dashboard,
    )


def _comparable(cells: Cells, of: Period) -> Period:
    """The period, compared with the day before where the lake does not reach back a week."""
    if of.kind == "day" and not cells.within(of.before, of.before_until).total(_calls):
        return replace(of, before=of.since - timedelta(days=1))
    return of


def _material(causes: Mapping[str, float]) -> dict[str, float]:
    """Without what is less than half a cent."""
    return {name: amount for name, amount in causes.items() if abs(amount) >= _LEAST_CAUSE_USD}


def _errors(now: Mapping[str, int], before: Mapping[str, int]) -> list[Errors]:
    classes = [Errors(name, now.get(name, 0), before.get(name, 0)) for name in {**now, **before}]
    return sorted(classes, key=lambda each: (-each.now, -each.before, each.error_type))


def _filter(since: date, until: date) -> Filter:
    return Filter(datetime.combine(since, time()), datetime.combine(until, time()))


def _month(cells: Cells, of: Period) -> Figure:
    """The calendar month of the period's last day, projected."""
    month = cells.month(of.until)
    if month is None:
        return Figure("projected month", "usd", None, None)
    since = min(
        month_of(datetime.combine(of.until, time()))[0].date(), of.until - projected_month.PACE
    )
    lacking = int(cells.within(since, of.until).total(lambda cell: cell.unpriced))
    basis = f"{formats.money(month.spent)} so far, the rest at the mean of {month.basis_words}"
    return Figure("projected month", "usd", month.usd, None, lacking, basis)


def _figures(
    now: Cells, before: Cells, quality: Quality, earlier: Quality, month: Figure
) -> Iterator[Figure]:
    has_history = bool(before.total(_calls))

    def summed(name: str, unit: Unit, value: Callable[[Cell], float]) -> Figure:
        earlier = before.total(value) if has_history else None
        lacking = int(now.total(lambda cell: cell.unpriced)) if unit == "usd" else 0
        return Figure(name, unit, now.total(value), earlier, lacking)

    yield summed("cost", "usd", _cost)
    yield month
    yield summed("calls", "count", _calls)
    yield summed("input tokens", "count", lambda cell: cell.input_tokens)
    yield summed("output tokens", "count", lambda cell: cell.output_tokens)
    yield Figure("error share", "share", _share(now), _share(before))
    yield Figure("P50 latency", "seconds", quality.p50, earlier.p50)
    yield Figure("P95 latency", "seconds", quality.p95, earlier.p95)
    if quality.success is not None:
        yield Figure("success", "share", quality.success, earlier.success)
        yield Figure("value", "usd", quality.value, earlier.value)
    for evaluation, score in sorted(quality.scores.items()):
        yield Figure(f"score {evaluation}", "score", score, earlier.scores.get(evaluation))


def _cost(cell: Cell) -> float:
    return cell.cost


def _calls(cell: Cell) -> float:
    return cell.calls


def _share(cells: Cells) -> float | None:
    calls = cells.total(_calls)
    return cells.total(lambda cell: cell.errors) / calls if calls else None


def _anomalies(cells: Cells, window: Reader, of: Period) -> Iterator[Finding]:
    days = [of.since + timedelta(days=n) for n in range(PERIODS[of.kind])]
    costs, calls = cells.daily(_cost), cells.daily(_calls)
    errors, tokens = cells.daily(lambda cell: cell.errors), cells.daily(lambda cell: cell.tokens)
    busy = [day for day in calls if calls[day] >= _LEAST_CALLS]
    whole: tuple[tuple[str, Unit, dict[date, float], float], ...] = (
        ("cost", "usd", costs, _LEAST_USD),
        ("calls", "count", calls, _LEAST_CALLS),
        ("error share", "share", {d: errors[d] / calls[d] for d in busy}, _LEAST_SHARE),
        ("tokens per call", "count", {d: tokens[d] / calls[d] for d in busy}, _LEAST_CALLS),
        ("P95 latency", "seconds", read_p95(window, _LEAST_CALLS), _LEAST_SECONDS),
    )
    for day in days:
        for name, unit, series, least in whole:
            anomaly = unusual(series, day, least=least, is_count=name == "calls")
            if anomaly is not None:
                yield Finding(name, unit, "", "", anomaly)
        least_usd = max(_LEAST_USD, _LEAST_USD_SHARE * costs.get(day, 0.0))
        yield from _expensive(cells, of, day, least_usd)


def _expensive(cells: Cells, of: Period, day: date, least: float) -> Iterator[Finding]:
    """Models, tenants and features whose cost stands out."""
    for dimension in DIMENSIONS:
        ranked = cells.within(of.since, of.until).costs(dimension)
        if len(ranked) < 2:  # it would be said twice
            continue
        for key in list(ranked)[:_WATCHED]:
            anomaly = unusual(cells.where(dimension, key).daily(_cost), day, least=least)
            if anomaly is not None:
                yield Finding("cost", "usd", dimension, key, anomaly)


def _once_each(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each figure, of its strangest day; what got worse, and most, first."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        groups.setdefault((each.name, each.dimension, each.key), []).append(each)
    strangest = [
        replace(max(group, key=lambda each: abs(each.anomaly.score)), days=len(group))
        for group in groups.values()
    ]
    return sorted(strangest, key=_importance)


def _importance(finding: Finding) -> tuple[Any, ...]:
    anomaly = finding.anomaly
    low, high = sorted((anomaly.value, anomaly.expected))
    times = high / low if low else inf
    # Every figure that is watched is better when it is lower, but for the number of calls.
    is_worse = anomaly.value > anomaly.expected and finding.name != "calls"
    return not is_worse, -times, bool(finding.key), finding.name, finding.key
