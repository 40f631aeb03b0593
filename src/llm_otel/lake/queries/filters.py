"""What a page, a digest or an export looks at: one `Filter`, turned into bound conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from llm_otel.lake.schema import DAY, TABLES

NONE: Final = "none"

# Filter field -> the column it holds against.
COLUMNS: Final = MappingProxyType(
    {
        "service": "service_name",
        "provider": "provider",
        "model": "model",
        "feature": "feature",
        "tenant_id": "tenant_id",
        "user": "user",
        "session": "session_id",
        "status": "status",
    }
)
# What the metrics cannot be asked for: those are never labels of a metric.
ONLY_ON_CALLS: Final = ("user", "session", "status", "tags")

# From which length of the window on, one point of a time series is how many seconds.
_BUCKETS: Final = (
    (75 * 86_400, 7 * 86_400),
    (12 * 86_400, 86_400),
    (4 * 86_400, 6 * 3600),
    (14 * 3600, 3600),
    (3 * 3600, 600),
    (0, 120),
)
HOUR: Final = 3600
# Shorter windows hold too few whole days to treat those apart.
_SPLIT_FROM: Final = timedelta(days=3)


@dataclass(frozen=True)
class Filter:
    """Which rows count: `since` ≤ time < `until`, UTC without a zone, and what they say.

    Each of the tuples holds the values that are let through; an empty one lets all through. The
    value `none` stands for rows that do not say.
    """

    since: datetime
    until: datetime
    service: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    feature: tuple[str, ...] = ()
    tenant_id: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def length(self) -> timedelta:
        """How long the window is."""
        return self.until - self.since

    @property
    def before(self) -> Filter:
        """The same question about the window of the same length just before."""
        return replace(self, since=self.since - self.length, until=self.since)

    @property
    def bucket_s(self) -> int:
        """Seconds that one point of a time series stands for."""
        length = self.length.total_seconds()
        return next(bucket for least, bucket in _BUCKETS if length >= least)

    @property
    def only_calls_know(self) -> bool:
        """Whether it asks for what no metric says, so that only the calls can answer."""
        return any(getattr(self, name) for name in ONLY_ON_CALLS)

    def over(self, since: datetime, until: datetime) -> Filter:
        """The same question about another window."""
        return replace(self, since=since, until=until)


@dataclass
class Conditions:
    """SQL conditions and the values bound to their names.

    Attributes:
        windows: Conditions on the time; a row fulfils one of them, or none.
        values: What is bound, by name.
        rest: What else every row must fulfil.
    """

    windows: list[str]
    values: dict[str, Any]
    rest: list[str] = field(default_factory=list)

    def parts(self) -> list[str]:
        """All in one, for each of the windows."""
        return [" AND ".join([window, *self.rest]) for window in self.windows]


def conditions(selection: Filter, table: str, prefix: str) -> Conditions:
    """`selection` for a table of the lake; parameters are named from `prefix`.

    What the table has no column for is asked of the calls of the same trace.
    """
    result = _window(selection, table, prefix)
    columns = {column.name for column in TABLES[table].columns}
    elsewhere: list[str] = []
    for name, column in COLUMNS.items():
        values: tuple[str, ...] = getattr(selection, name)
        if values:
            part = _one_of(result.values, column, values, f"{prefix}_{name}")
            (result.rest if column in columns else elsewhere).append(part)
    for number, (key, value) in enumerate(selection.tags):
        names = f"{prefix}_tag{number}", f"{prefix}_tag{number}_is"
        result.values |= {names[0]: key, names[1]: value}
        part = f"tags[${names[0]}] = ${names[1]}"
        (result.rest if "tags" in columns else elsewhere).append(part)
    if elsewhere:
        clauses = " AND ".join([_within("calls", prefix), *elsewhere])
        result.rest.append(f"trace_id IN (SELECT trace_id FROM calls WHERE {clauses})")  # noqa: S608
    return result


def _window(selection: Filter, table: str, prefix: str) -> Conditions:
    """The rows of the window. Those of its whole days are known by their partition: to look at the
    time of each doubles what it takes to read a column of them."""
    within = _within(table, prefix)
    values: dict[str, Any] = {
        f"{prefix}_since": selection.since,
        f"{prefix}_until": selection.until,
    }
    first, last = selection.since.date(), selection.until.date()
    if last - first < _SPLIT_FROM:
        return Conditions([within], values)
    names = f"{prefix}_first", f"{prefix}_last"
    values |= {names[0]: first, names[1]: last}
    whole = f"{DAY} > ${names[0]} AND {DAY} < ${names[1]}"
    ends = f"{DAY} IN (${names[0]}, ${names[1]}) AND {within}"
    return Conditions([whole, ends], values)


def _within(table: str, prefix: str) -> str:
    time = TABLES[table].time
    return f"{time} >= ${prefix}_since AND {time} < ${prefix}_until"


def _one_of(bound: dict[str, Any], column: str, values: tuple[str, ...], prefix: str) -> str:
    """A condition on `column`; the names are ours, the values are bound."""
    known_values = [value for value in values if value != NONE]
    names = [f"{prefix}{number}" for number in range(len(known_values))]
    bound.update(zip(names, known_values))
    parts = []
    if known_values:
        parts.append(f'"{column}" IN ({", ".join("$" + name for name in names)})')
    if len(known_values) < len(values):
        parts.append(f'"{column}" IS NULL')
    return f"({' OR '.join(parts)})"


def described(selection: Filter) -> Mapping[str, tuple[str, ...]]:
    """What is asked for, by field, without the window; tags as `key=value`."""
    values = {name: getattr(selection, name) for name in COLUMNS if getattr(selection, name)}
    if selection.tags:
        values["tag"] = tuple(f"{key}={value}" for key, value in selection.tags)
    return values
