"""Numbers as people read them, and the sentences that are computed from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from llm_otel import formats
from llm_otel.digest.model import Action, BudgetUse, Digest, Figure, Finding, Period, Unit
from llm_otel.lake.queries.drivers import Change, phrase

_DAY: Final = timedelta(days=1)
usd: Final = formats.money
count: Final = formats.count

# Column of the lake -> the word for it.
WORDS: Final = {"model": "model", "tenant_id": "tenant", "feature": "feature"}


# Unit of a figure -> how it is written.
_WRITE: Final[Mapping[Unit, Callable[[float | None], str]]] = {
    "usd": usd,
    "count": count,
    "share": formats.share,
    "seconds": formats.seconds,
    "score": formats.score,
}


def number(value: float | None, unit: Unit) -> str:
    """A value with its unit; a dash where it is not known."""
    return _WRITE[unit](value)


def figure(of: Figure) -> str:
    """A figure as it is now; one that lacks something is said to be the least."""
    return formats.cost(of.now, of.unpriced) if of.unit == "usd" else number(of.now, of.unit)


def name(of: Figure) -> str:
    """What a figure is of; beside an estimate, what it is made of."""
    return f"{of.name} ({of.basis})" if of.basis else of.name


def signed_usd(value: float) -> str:
    """A change in dollars, with its sign."""
    return usd(value) if value < 0 else f"+{usd(value)}"


def change(figure: Figure) -> str:
    """A figure's change as people say it; a dash where there is nothing to compare with.

    Shares and scores change by points: "3 % more errors" would be ambiguous.
    """
    if figure.now is None or figure.before is None:
        return formats.NOTHING
    if figure.unit == "share":
        return _signed((figure.now - figure.before) * 100, 1, " pp")
    if figure.unit == "score":
        return _signed(figure.now - figure.before, 2, "")
    relative = figure.change
    if relative is None:
        return "new" if figure.now else "±0 %"
    return _signed(relative * 100, 0, " %")


def _signed(value: float, digits: int, unit: str) -> str:
    rounded = round(value, digits)
    return f"{rounded:+,.{digits}f}{unit}".replace("-", "−") if rounded else f"±0{unit}"


def period(of: Period) -> str:
    """The days that a period holds."""
    last = of.until - timedelta(days=1)
    if of.kind == "day":
        return f"{last:%A}, {day(last)} {last:%Y} (UTC)"
    return f"week of {day(of.since)} to {day(last)} {last:%Y} (UTC)"


def day(of: date) -> str:
    """A day, in the one form of all digests."""
    return f"{of.day} {of:%b}"


def before(of: Period) -> str:
    """What a period is compared with."""
    if of.kind != "day":
        return "the week before"
    return "the day before" if of.since - of.before == _DAY else f"the {of.before:%A} before"


def headline(digest: Digest) -> str:
    """The worst that was unusual, then the cost, how it moved, and most of why."""
    return " ".join(filter(None, (worst(digest), cost_sentence(digest))))


def worst(digest: Digest) -> str:
    """The first anomaly as a sentence; empty where nothing was unusual."""
    if not digest.anomalies:
        return ""
    sentence = finding(digest.anomalies[0])
    return f"{sentence[:1].upper()}{sentence[1:]}."


def cost_sentence(digest: Digest) -> str:
    """The cost, how it moved, and most of why."""
    cost = digest.cost
    if not digest.figure("calls").now:
        return "No calls were recorded: is anything sending to this lake?"
    sentence = f"{figure(cost)} for {number(digest.figure('calls').now, 'count')} calls"
    moved = change(cost)
    if moved in (formats.NOTHING, "new"):
        return f"{sentence}, nothing to compare with."
    cause = main_cause(digest)
    why = f", mostly by {cause}" if cause else ""
    return f"{sentence}, {moved} against {before(digest.period)}{why}."


def main_cause(digest: Digest) -> str | None:
    """The cause that moved the cost most in the direction in which it went; None where it did
    not go anywhere."""
    cost = digest.cost
    if cost.now is None or cost.before is None or cost.now == cost.before:
        return None
    up = cost.now > cost.before
    same = {name: amount for name, amount in digest.causes.items() if (amount > 0) == up}
    if not same:
        return None
    name = max(same, key=lambda each: abs(same[each]))
    return f"{phrase(name, up)} ({signed_usd(same[name])})"


def driver(moved: Change[str]) -> str:
    """What one model, tenant or feature did to the cost, and by which cause most."""
    strongest = max(moved.causes, key=lambda name: abs(moved.causes[name]), default=None)
    why = phrase(strongest, moved.causes[strongest] > 0) if strongest else "no change"
    return f"{signed_usd(moved.amount)} to {usd(moved.after)}: {why}"


def finding(entry: Finding) -> str:
    """An anomaly as a sentence."""
    anomaly = entry.anomaly
    of = f" of {WORDS[entry.dimension]} {entry.key}" if entry.key else ""
    like = f"{anomaly.day:%A}s" if anomaly.weekday else "days"
    more = f"; unusual on {entry.days} days in all" if entry.days > 1 else ""
    value = number(anomaly.value, entry.unit)
    return (
        f"{entry.name}{of} on {anomaly.day:%A}, {day(anomaly.day)}: {value}, where the "
        f"{anomaly.compared} {like} before were about {number(anomaly.expected, entry.unit)}{more}"
    )


def budget(use: BudgetUse) -> str:
    """A budget's use as a sentence."""
    of = f"{WORDS[use.scope]} {use.key}" if use.key else "the total"
    used, projected = (formats.share(part / use.limit) for part in (use.used, use.projected))
    basis = f", the rest of it at the mean of {use.basis}" if use.basis else ""
    return (
        f"{of}: {usd(use.used)} of {usd(use.limit)} this month ({used}), "
        f"on the way to {usd(use.projected)} ({projected}){basis}"
    )


def action(todo: Action) -> str:
    """Something to do, with what it saves where that is known."""
    return f"{todo.what} Saves about {usd(todo.saves)}." if todo.saves else todo.what
