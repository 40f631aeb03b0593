"""What a page, a digest or an export looks at: one `Filter`, turned into bound conditions."""

from __future__ import annotations

import re
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
        "environment": "environment",
        "release": "release",
        "agent": "agent",
        "error_type": "error_type",
    }
)
# What can be compared with a number: name -> expression over a call.
NUMBERS: Final = MappingProxyType(
    {
        "cost": "cost_usd",
        "duration": "duration_s",
        "first_chunk": "first_chunk_s",
        "tokens": "(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))",
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "retries": "retries",
    }
)
# An evaluation's name follows.
SCORE: Final = "score."
OPERATORS: Final = ("<=", ">=", "<", ">", "=")
# What the metrics cannot be asked for: those are never labels of a metric.
ONLY_ON_CALLS: Final = (
    "user", "session", "status", "error_type", "release", "agent", "tags", "limits", "texts",
)  # fmt: skip
# In a pattern: any letters.
ANY: Final = "*"

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
class Limit:
    """A comparison with a number.

    Attributes:
        name: A key of `NUMBERS`, or `score.` and the name of an evaluation.
        operator: One of `OPERATORS`.
        number: In the unit of the figure: USD, seconds, tokens, or the score's own.
    """

    name: str
    operator: str
    number: float


@dataclass(frozen=True)
class Match:
    """A condition on a name that is not one value. It is apart from the values, which telemetry may
    bring with any letters in them.

    Attributes:
        name: A field of `Filter` with a column.
        text: A value, or a pattern in which `*` stands for any letters.
        unwanted: Rows that have it do not count.
    """

    name: str
    text: str
    unwanted: bool = False


@dataclass(frozen=True)
class Filter:
    """Which rows count: `since` ≤ time < `until`, UTC without a zone, and what they say.

    Each of the tuples holds the values that are let through; an empty one lets all through. The
    value `none` stands for rows that do not say.

    Attributes:
        matches: Patterns and exclusions: all of them hold.
        limits: Of numbers of a call, or of the scores of its trace: all of them hold.
        texts: Words that a trace has in a span's name, an error, or a captured message; each is
            somewhere in it. Case does not matter.
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
    environment: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    error_type: tuple[str, ...] = ()
    matches: tuple[Match, ...] = ()
    limits: tuple[Limit, ...] = ()
    texts: tuple[str, ...] = ()

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
        return any(getattr(self, name) for name in ONLY_ON_CALLS) or any(
            match.name in ONLY_ON_CALLS for match in self.matches
        )

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
    for number, match in enumerate(selection.matches):
        column = COLUMNS[match.name]
        part = _matched(result.values, column, match, f"{prefix}_match{number}")
        (result.rest if column in columns else elsewhere).append(part)
    for number, (key, value) in enumerate(selection.tags):
        names = f"{prefix}_tag{number}", f"{prefix}_tag{number}_is"
        result.values |= {names[0]: key, names[1]: value}
        part = f"tags[${names[0]}] = ${names[1]}"
        (result.rest if "tags" in columns else elsewhere).append(part)
    for number, limit in enumerate(selection.limits):
        part = _compared(result.values, limit, f"{prefix}_limit{number}", prefix)
        (result.rest if table == "calls" else elsewhere).append(part)
    for number, words in enumerate(selection.texts):
        result.values[f"{prefix}_text{number}"] = words
        result.rest.append(
            _SAYS.format(within=_within("spans", prefix), words=f"{prefix}_text{number}")
        )
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


# The window of the calls: a search over all that was ever kept would take minutes.
_SAYS: Final = """trace_id IN (
    SELECT trace_id FROM messages WHERE {within} AND (
        contains(lower(input_messages), lower(${words}))
        OR contains(lower(output_messages), lower(${words}))
        OR contains(lower(system_instructions), lower(${words})))
    UNION ALL SELECT trace_id FROM spans WHERE {within} AND (
    contains(lower(name), lower(${words})) OR contains(lower(status_message), lower(${words}))
    OR contains(lower(error_type), lower(${words}))
    OR contains(lower(input_messages), lower(${words}))
    OR contains(lower(output_messages), lower(${words}))
    OR contains(lower(system_instructions), lower(${words}))
    OR span_id = ${words} OR contains(session_id, ${words}) OR contains("user", ${words})))"""


def _compared(bound: dict[str, Any], limit: Limit, name: str, prefix: str) -> str:
    """A condition on a number of a call, or on a score of its trace."""
    bound[name] = limit.number
    if not limit.name.startswith(SCORE):
        return f"{NUMBERS[limit.name]} {limit.operator} ${name}"
    bound[f"{name}_of"] = limit.name.removeprefix(SCORE)
    scored = f"evaluation = ${name}_of AND score {limit.operator} ${name}"
    # A score may come long after its call.
    since = f"time >= ${prefix}_since"
    return f"trace_id IN (SELECT trace_id FROM scores WHERE {since} AND {scored})"  # noqa: S608


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


def _matched(bound: dict[str, Any], column: str, match: Match, name: str) -> str:
    """A condition on `column`; what a row does not say is unlike any value."""
    if match.text == NONE:
        part = f'"{column}" IS NULL'
    elif ANY in match.text:
        bound[name] = re.sub(r"[][?]", r"[\g<0>]", match.text)
        part = f'"{column}" GLOB ${name}'
    else:
        bound[name] = match.text
        part = f'"{column}" = ${name}'
    return f"NOT coalesce({part}, false)" if match.unwanted else part


def written(condition: Limit | Match) -> str:
    """A condition as it is typed."""
    if isinstance(condition, Limit):
        return f"{condition.name}{condition.operator}{condition.number:g}"
    return f"{'-' * condition.unwanted}{condition.name}:{condition.text}"


def described(selection: Filter) -> Mapping[str, tuple[str, ...]]:
    """What is asked for, by field, without the window; tags as `key=value`."""
    values = {name: getattr(selection, name) for name in COLUMNS if getattr(selection, name)}
    if selection.tags:
        values["tag"] = tuple(f"{key}={value}" for key, value in selection.tags)
    if selection.matches:
        values["match"] = tuple(map(written, selection.matches))
    if selection.limits:
        values["where"] = tuple(map(written, selection.limits))
    if selection.texts:
        values["text"] = selection.texts
    return values
