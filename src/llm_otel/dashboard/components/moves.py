"""What moved the cost, and why: bars of causes and of names, each a link one level deeper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import bar, card_head
from llm_otel.dashboard.components.spoken import chosen
from llm_otel.dashboard.context import Context
from llm_otel.lake.queries.cost import Moves
from llm_otel.lake.queries.drivers import CAUSES, Change, phrase

# What a change is broken down by, in the order in which one looks deeper.
DIMENSIONS: Final = {"tenant_id": "Tenant", "feature": "Feature", "model": "Model"}
_LISTED: Final = 5
_MIDDLE: Final = 50.0
# A cause that moved less than this part of the greatest is not worth a row.
_LEAST: Final = 0.005
_METHOD: Final = (
    "The cost of each model for each feature of each tenant is calls × tokens per call × price per "
    "token. Of its change each factor gets a logarithmic mean's part (LMDI), so that the parts add "
    "up to the change. Calls grow as all calls did; what a shift between models, features and "
    "tenants adds to that is the mix."
)


def chosen_cause(context: Context) -> str:
    """The cause of the address; empty for all of them."""
    cause = context.state.get("cause")
    return cause if cause in CAUSES else ""


def deeper(context: Context, dimension: str, value: str) -> str:
    """The cost page of one name, split by what is below it."""
    below = [name for name in (*DIMENSIONS, "user") if not context.state.all(name)]
    split = next((name for name in below if name != dimension), "model")
    per = context.state.get("per") or None
    changes = {dimension: value, "by": split, "per": per, "cause": chosen_cause(context) or None}
    return context.there("/cost", **changes)


def moves_card(context: Context, moves: Moves, before: float, after: float) -> Any:
    """The change against the window before by its causes, and by who caused it.

    Args:
        context: The request.
        moves: The changes.
        before, after: USD of both windows.
    """
    causes, cause = moves.causes(), chosen_cause(context)
    if not causes:
        return h.section(class_="card")[
            card_head("What moved the cost, and why"),
            h.p(class_="empty-line")["There were no costs in the window before to compare with."],
        ]
    about = (
        f"{formats.money(after)} after {formats.money(before)} in the window before: "
        f"{signed(after - before)}. "
        + (
            f"Who moved it by {_plain(cause)}; click the cause again for all causes."
            if cause
            else "Click a cause to see who, a name to look into it."
        )
    )
    lists = [
        _names(context, name, label, moves, cause)
        for name, label in DIMENSIONS.items()
        if len(context.state.all(name)) != 1
    ]
    return h.section(class_="card moves")[
        card_head("What moved the cost, and why", about),
        _causes(context, causes, cause),
        h.div(class_="move-lists")[lists] if any(lists) else None,
        h.details(class_="method")[h.summary["How this is computed"], h.p(class_="muted")[_METHOD]],
    ]


def signed(usd: float) -> str:
    """A change in dollars, with its sign."""
    return f"+{formats.money(usd)}" if usd > 0 else formats.money(usd)


def why(change: Change[str]) -> str:
    """By what a change came, mostly: the cause that did most in its direction."""
    same = {name: usd for name, usd in change.causes.items() if usd * change.amount > 0}
    if not same:
        return formats.NOTHING
    name = max(same, key=lambda each: abs(same[each]))
    return f"{phrase(name, same[name] > 0)} {signed(same[name])}"


def _plain(cause: str) -> str:
    return {"mix": "the mix", "new": "what is new", "gone": "what is gone"}.get(cause, cause)


def brief_moves_card(context: Context, moves: Moves, before: float, after: float) -> Any:
    """The causes of the change, and who moved it most; the cost page has all of it.

    Args:
        context: The request.
        moves: The changes.
        before, after: USD of both windows.
    """
    more = h.a(href=context.there("/cost"), class_="button small")["All of it"]
    causes = moves.causes()
    if not causes:
        return h.section(class_="card")[
            card_head("What moved the cost, and why", "", more),
            h.p(class_="empty-line")["There were no costs in the window before to compare with."],
        ]
    leaders = {
        label: changes[0]
        for name, label in DIMENSIONS.items()
        if (changes := moves.by(name)) and changes[0].amount
    }
    greatest = max((abs(change.amount) for change in leaders.values()), default=1.0)
    names = {label: name for name, label in DIMENSIONS.items()}
    rows = [
        _row(
            h.a(href=deeper(context, names[label], change.key))[change.key],
            change.amount,
            greatest,
            f"{label.lower()}, {why(change)}",
        )
        for label, change in leaders.items()
    ]
    about = f"{formats.money(after)} after {formats.money(before)}: {signed(after - before)}"
    return h.section(class_="card moves")[
        card_head("What moved the cost, and why", about, more),
        _causes(context, causes, ""),
        h.div(class_="move-lists")[h.div[h.h3["Who most"], h.ul(class_="move-rows")[rows]]],
    ]


def _causes(context: Context, causes: Mapping[str, float], cause: str) -> Any:
    greatest = max(map(abs, causes.values())) or 1.0
    ordered = sorted(causes, key=lambda name: -abs(causes[name]))
    rows = [
        _row(
            h.a(
                href=context.here(cause=None if name == cause else name)
                if context.path == "/cost"
                else context.there("/cost", cause=name),
                class_="cause on" if name == cause else "cause",
            )[phrase(name, causes[name] > 0).capitalize(), chosen(name == cause)],
            causes[name],
            greatest,
        )
        for name in ordered
        if name == cause or abs(causes[name]) >= _LEAST * greatest
    ]
    return h.ul(class_="move-rows", aria_label="Causes")[rows]


def _names(context: Context, dimension: str, label: str, moves: Moves, cause: str) -> Any:
    changes = {change.key: change for change in moves.by(dimension)}
    amounts = (
        moves.by_cause(dimension, cause)
        if cause
        else {name: change.amount for name, change in changes.items()}
    )
    moved = [(name, usd) for name, usd in amounts.items() if usd][:_LISTED]
    if not moved:
        return None
    greatest = abs(moved[0][1])
    rows = [
        _row(
            h.a(href=deeper(context, dimension, name))[name],
            usd,
            greatest,
            [
                "" if cause else f"{why(changes[name])} · ",
                h.a(
                    href=context.there("/traces", sort="cost", **{dimension: name}),
                    aria_label=f"Traces of {name}, the most expensive first",
                )["traces"],
            ],
        )
        for name, usd in moved
    ]
    return h.div[h.h3[f"By {label.lower()}"], h.ul(class_="move-rows", aria_label=label)[rows]]


def _row(name: Any, usd: float, greatest: float, note: Any = None) -> Any:
    """A name, its bar to the left (less) or right (more) of the middle, and the amount."""
    width = abs(usd) / greatest * _MIDDLE
    start = _MIDDLE if usd > 0 else _MIDDLE - width
    return h.li(class_="move")[
        h.span(class_="move-name")[name],
        bar(start, width, "more" if usd > 0 else "less"),
        h.span(class_="num")[signed(usd)],
        h.span(class_="muted move-note")[note] if note else None,
    ]
