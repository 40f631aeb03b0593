"""Why the cost of one period differs from that of another: how much of it by which cause.

Additive log-mean Divisia decomposition (LMDI-I; Ang, "The LMDI approach to decomposition analysis:
a practical guide", Energy Policy 33, 2005): the cost of a cell is calls x tokens per call x price
per token, and of its change each factor x gets L(c1, c0) ln(x1 / x0), where
L(a, b) = (a - b) / (ln a - ln b). The parts add up to the change exactly.

With the growth of all cells' calls together, a cell's calls are that growth and its share of the
calls: `mix`, which is what a shift to more expensive models, tenants or features costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import log
from typing import Final, Generic, TypeAlias, TypeVar

Key = TypeVar("Key")
Names: TypeAlias = "tuple[str, ...]"

FACTORS: Final = ("calls", "tokens per call", "price per token")
CAUSES: Final = (*FACTORS, "mix", "new", "gone")
_PHRASES: Final = {
    "new": "what is new",
    "gone": "what ended",
    "mix": "a different mix",
}


@dataclass(frozen=True, slots=True)
class Use:
    """What one cell (a model for a tenant's feature, say) used in a period.

    Attributes:
        calls: How many.
        tokens: Input and output tokens of all of them.
        cost: USD of all of them.
    """

    calls: float
    tokens: float
    cost: float


@dataclass(frozen=True, slots=True)
class Change(Generic[Key]):
    """How the cost of something moved.

    Attributes:
        key: Of what.
        before, after: USD.
        causes: USD of the change by each of `FACTORS`, by `mix` where it is asked for, and by `new`
            and `gone`; they add up to it.
    """

    key: Key
    before: float
    after: float
    causes: Mapping[str, float] = field(default_factory=dict)

    @property
    def amount(self) -> float:
        """USD more than before."""
        return self.after - self.before


def decompose(
    before: Use | None, after: Use | None, growth: float | None = None
) -> dict[str, float]:
    """USD of a cell's change by its causes.

    A cell that was not there is `new`, one that is no more is `gone`; where a factor cannot be
    told (free calls, calls without tokens) the whole change goes to `calls`.

    Args:
        before, after: The cell in both periods.
        growth: So many times as many calls as before there are in all cells that this one is
            compared with; then its `calls` are this growth, and the rest is `mix`.
    """
    old, new = (before.cost if before else 0.0), (after.cost if after else 0.0)
    change = new - old
    if before is None or not before.calls:
        return {"new": change}
    if after is None or not after.calls:
        return {"gone": change}
    if min(before.cost, before.tokens, after.cost, after.tokens) <= 0:
        return {"calls": change}
    rise = log(new / old)
    weight = change / rise if rise else old
    ratios = (
        after.calls / before.calls,
        (after.tokens / after.calls) / (before.tokens / before.calls),
        (after.cost / after.tokens) / (before.cost / before.tokens),
    )
    causes = {name: weight * log(ratio) for name, ratio in zip(FACTORS, ratios)}
    if growth is not None:
        causes["mix"] = causes["calls"] - weight * log(growth)
        causes["calls"] = weight * log(growth)
    return causes


def explained(before: Mapping[Names, Use], after: Mapping[Names, Use]) -> dict[str, float]:
    """USD of the change of all cells together by its causes, as `parts` has them."""
    return add_up(parts(before, after).values())


def parts(before: Mapping[Names, Use], after: Mapping[Names, Use]) -> dict[Names, dict[str, float]]:
    """What each cell adds to the change of all together, USD by cause, `mix` among them.

    A cell is `new` or `gone` where one of its names is; known names that come together for the
    first time, or do not any more, are another `mix`.

    Args:
        before, after: The cells of both periods, by their names: of a model, a tenant, ….
    """
    names = [[set(column) for column in zip(*period)] for period in (before, after)]

    def stays(key: Names) -> bool:
        return all(
            len(columns) == len(key) and all(name in column for name, column in zip(key, columns))
            for columns in names
        )

    staying = {key for key in {**before, **after} if stays(key)}
    calls = [sum(p[key].calls for key in staying if key in p) for p in (before, after)]
    growth = calls[1] / calls[0] if all(calls) else None
    causes_by_cell = {}
    for key in {**before, **after}:
        causes = decompose(before.get(key), after.get(key), growth)
        if key in staying and causes.keys() & {"new", "gone"}:
            causes = {"mix": sum(causes.values())}
        causes_by_cell[key] = causes
    return causes_by_cell


def phrase(cause: str, up: bool) -> str:
    """A cause in words; `up`: it made the cost higher."""
    if cause in _PHRASES:
        return _PHRASES[cause]
    if cause == "calls":
        return "more calls" if up else "fewer calls"
    return f"{'higher' if up else 'lower'} {cause}"


def changes(
    before: Mapping[Names, Use], after: Mapping[Names, Use], by: Callable[[Names], str]
) -> list[Change[str]]:
    """The changes of groups of cells, the largest first.

    Args:
        before, after: The cells of both periods.
        by: The group of a cell: its model, its tenant, ….
    """
    groups: dict[str, list[Names]] = defaultdict(list)
    for key in {**before, **after}:
        groups[by(key)].append(key)
    group_changes = [
        Change(
            group,
            sum(before[key].cost for key in keys if key in before),
            sum(after[key].cost for key in keys if key in after),
            explained(
                {key: before[key] for key in keys if key in before},
                {key: after[key] for key in keys if key in after},
            ),
        )
        for group, keys in groups.items()
    ]
    return sorted(group_changes, key=lambda change: (-abs(change.amount), change.key))


def add_up(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sums of causes over cells."""
    sums: dict[str, float] = defaultdict(float)
    for part in parts:
        for name, amount in part.items():
            sums[name] += amount
    return dict(sums)
