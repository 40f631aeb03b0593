"""Agents and workflows: how often they run, fail and loop, what a run takes; tools and searches.

Of a run is everything below its span, other agents' runs with it: a call below two runs is of both,
and in every sum over runs once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from llm_otel import semconv
from llm_otel.lake.queries import agent_runs
from llm_otel.lake.queries.agent_runs import Runs
from llm_otel.lake.queries.filters import HOUR, Filter
from llm_otel.lake.queries.trace_list import Order
from llm_otel.lake.reading import Lake

# Kind in an address -> operation.
KINDS: Final = {"agent": semconv.INVOKE_AGENT, "workflow": semconv.INVOKE_WORKFLOW}
# From how many calls of one tool in a row on a run counts as looping.
STREAK: Final = 10
# How the runs of an agent are sorted; the first is the default.
ORDERS: Final = {
    "time": Order("r.time"),
    "status": Order("r.failed"),
    "duration": Order("r.duration_s"),
    "calls": Order("r.calls"),
    "tools": Order("r.tools"),
    "streak": Order("r.streak"),
    "tokens": Order("r.tokens"),
    "cost": Order("r.cost_usd"),
}
# Codes of all agents, and of none.
ANY: Final = -1
_MOST_ANSWERS: Final = 200
NO_AGENT: Final = 2**31 - 1
# Model calls of a run: the greatest of each bar but the last.
_EDGES: Final = (0, 1, 2, 3, 4, 5, 10, 25, 50, 100)

_KINDS: Final = f"""
    CASE operation WHEN '{semconv.INVOKE_AGENT}' THEN 'agent'
        WHEN '{semconv.INVOKE_WORKFLOW}' THEN 'workflow' ELSE operation END
"""
_LABELS: Final = f"SELECT DISTINCT code, {_KINDS} AS kind, label FROM names"  # noqa: S608
_RUN_USD: Final = "sum(cost_usd) / count(*)"
_AGENTS: Final = f"""
    SELECT l.code, l.kind, l.label AS name, count(*) AS runs,
        count(*) FILTER (failed) AS failed, mode(error_type) AS error_type,
        quantile_cont(duration_s, 0.5) AS p50, quantile_cont(duration_s, 0.95) AS p95,
        avg(calls) AS calls, max(calls) AS most_calls, avg(tools) AS tools,
        max(tools) AS most_tools, avg(tokens) AS tokens, {_RUN_USD} AS run_usd,
        sum(cost_usd) FILTER (whole) AS cost_usd,
        coalesce(sum(unpriced) FILTER (whole), 0)::BIGINT AS unpriced, max(time) AS last_seen
    FROM runs r JOIN labels l USING (code) {{which}} GROUP BY ALL
    ORDER BY cost_usd DESC NULLS LAST, runs DESC, name LIMIT $top
"""  # noqa: S608 texts of this module
_NAMED: Final = "WHERE l.label = $name AND list_contains($kinds, l.kind)"
_OF: Final = "($code < 0 OR r.code = $code)"
_POINTS: Final = f"""
    SELECT time_bucket(to_seconds($bucket_s), r.time) AS time, count(*) AS runs,
        count(*) FILTER (failed) AS failed, {_RUN_USD} AS mean_usd,
        quantile_cont(cost_usd, 0.95) AS p95_usd, sum(unpriced)::BIGINT AS unpriced
    FROM runs r WHERE {_OF} GROUP BY 1 ORDER BY 1
"""  # noqa: S608
_BY_CALLS: Final = f"SELECT calls, count(*) AS runs FROM runs r WHERE {_OF} GROUP BY 1 ORDER BY 1"  # noqa: S608
_WHICH: Final = f"""
    {_OF} AND r.calls >= $least AND r.calls <= $most
    AND (NOT $looping OR r.calls > $limit OR r.streak >= $streak) AND (NOT $failing OR r.failed)
"""
_COUNT: Final = f"SELECT count(*) AS number FROM runs r WHERE {_WHICH}"  # noqa: S608
_LISTED: Final = f"""
    SELECT r.*, l.kind, l.label AS name, t.label AS streak_tool
    FROM runs r JOIN labels l USING (code) LEFT JOIN labels t ON t.code = r.streak_code
    WHERE {_WHICH} ORDER BY {{expression}} {{way}} NULLS LAST, r.time DESC, r.run
    LIMIT $size OFFSET $skip
"""  # noqa: S608
_STEPS: Final = """
    SELECT l.label AS name, count(*) AS calls, count(*) FILTER (failed) AS failed,
        mode(error_type) AS error_type, quantile_cont(duration_s, 0.5) AS p50,
        quantile_cont(duration_s, 0.95) AS p95, max(duration_s) AS slowest_s,
        arg_max(key, duration_s) AS key, arg_max(time, duration_s) AS time
    FROM nodes n JOIN labels l USING (code)
    WHERE l.kind = $operation AND n.time >= $begin AND n.time < $end
        AND n.rowid NOT IN (SELECT place FROM repeated) GROUP BY 1
    ORDER BY failed DESC, calls DESC, name LIMIT $top
"""
_USED: Final = """
    WITH RECURSIVE below AS (
        SELECT run AS top, run FROM runs WHERE list_contains($runs, run)
        UNION ALL SELECT b.top, r.run FROM below b JOIN runs r ON r.higher = b.run
    )
    SELECT top AS run, label AS name, count(*) AS calls
    FROM below JOIN uses USING (run) JOIN labels USING (code) GROUP BY ALL ORDER BY calls DESC, name
"""
_USED_BY: Final = """
    SELECT 0 AS run, l.label AS name, count(*) AS calls
    FROM uses u JOIN runs r USING (run) JOIN labels l ON l.code = u.code
    WHERE r.code = $code GROUP BY ALL ORDER BY calls DESC, name LIMIT $top
"""
_WHERE: Final = """
    SELECT hash(trace_id, span_id) AS key, trace_id, span_id, tenant_id, feature
    FROM {spans} WHERE time IN ({times})
"""


@dataclass(frozen=True)
class Agent:
    """An agent or a workflow and its runs.

    Attributes:
        code: Its number, of this question alone.
        kind: `agent` or `workflow`.
        runs, failed: How many began; of how many the span failed.
        error_type: The class of most that failed.
        p50, p95: Seconds of a run; None where no span has a duration.
        calls, tools, tokens: The mean of a run; `most_calls` and `most_tools` the greatest.
        run_usd: USD, the mean of a run; None where nothing is known.
        cost_usd: USD of all runs, each call once.
        unpriced: Calls whose cost is unknown or incomplete, so that both are at least that.
    """

    code: int
    kind: str
    name: str
    runs: int
    failed: int
    error_type: str | None
    p50: float | None
    p95: float | None
    calls: float
    most_calls: int
    tools: float
    most_tools: int
    tokens: float
    run_usd: float | None
    cost_usd: float | None
    unpriced: int
    last_seen: datetime


@dataclass(frozen=True)
class Point:
    """The runs that began from `time` on; USD of a run, at least that where some are `unpriced`."""

    time: datetime
    runs: int
    failed: int
    mean_usd: float | None
    p95_usd: float | None
    unpriced: int


@dataclass(frozen=True)
class Bin:
    """Runs with `least` to `most` model calls; None: any more."""

    least: int
    most: int | None
    runs: int


@dataclass(frozen=True)
class _Listed:
    run: int
    key: int
    time: datetime
    kind: str
    name: str
    duration_s: float | None
    failed: bool
    error_type: str | None
    calls: int
    tools: int
    tokens: int
    cost_usd: float | None
    unpriced: int
    streak: int
    streak_tool: str | None


@dataclass(frozen=True)
class Run(_Listed):
    """One run with all below it.

    Attributes:
        streak: How often one tool, `streak_tool`, was called in a row by this run itself.
        used: Tool -> how often, most often first.
        trace_id: None where it is not stored any more; `tenant_id` and `feature` of its own span.
    """

    trace_id: str | None
    tenant_id: str | None
    feature: str | None
    used: dict[str, int]


@dataclass(frozen=True)
class _StepSums:
    name: str
    calls: int
    failed: int
    error_type: str | None
    p50: float | None
    p95: float | None
    slowest_s: float | None
    key: int | None
    time: datetime | None


@dataclass(frozen=True)
class Step(_StepSums):
    """A tool or a data source: its calls, `failed` of them with `error_type` most often, seconds;
    `trace_id` and `time` of the slowest."""

    trace_id: str | None


@dataclass(frozen=True)
class Used:
    """How often a tool was called, in a run, or in all of an agent's own."""

    run: int
    name: str
    calls: int


@dataclass(frozen=True)
class _ByCalls:
    calls: int
    runs: int


@dataclass(frozen=True)
class _Number:
    number: int


@dataclass(frozen=True)
class _Place:
    key: int
    trace_id: str
    tenant_id: str | None
    feature: str | None


@dataclass(frozen=True)
class Which:
    """Which runs are listed.

    Attributes:
        code: Of one agent; `ANY`.
        least, most: Model calls.
        limit: More model calls than this are a loop.
        looping: Only the loops: more calls than `limit`, or a tool `STREAK` times in a row.
        failing: Only those that failed.
    """

    code: int = ANY
    least: int = 0
    most: int = 2**62
    limit: int = 25
    looping: bool = False
    failing: bool = False


class Figures:
    """The answers to all that a page asks of one window; for several threads at once."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        # Answers: what stays the same while one sorts a list.
        self._answers: dict[str, list[Any]] = {}
        self.totals = runs.totals
        runs.reader.keep("labels", _LABELS)

    def _rows(self, query: str, kind: type[Any], **values: Any) -> list[Any]:
        key = f"{query} {values}"
        with self._lock:
            if key not in self._answers:
                if len(self._answers) >= _MOST_ANSWERS:
                    self._answers.clear()
                self._answers[key] = self._runs.reader.rows(query, kind, **values)
            return self._answers[key]

    def agents(self, top: int = 100) -> list[Agent]:
        """The most expensive first."""
        return self._rows(_AGENTS.replace("{which}", ""), Agent, top=top)

    def agent(self, name: str, kind: str | None = None) -> Agent | None:
        """One of them by its name; of an agent and a workflow of one name, the more expensive."""
        kinds = list(KINDS) if kind is None else [kind]
        text = _AGENTS.replace("{which}", _NAMED)
        return next(iter(self._rows(text, Agent, name=name, kinds=kinds, top=1)), None)

    def points(self, code: int = ANY) -> list[Point]:
        """By the window's stretches, of an hour at least where they are of parts of a day."""
        step_s = max(self._runs.window.bucket_s, HOUR)
        return self._rows(_POINTS, Point, code=code, bucket_s=step_s)

    def bins(self, code: int = ANY) -> list[Bin]:
        """How many runs had how many model calls; from the first bar with one to the last."""
        rows = self._rows(_BY_CALLS, _ByCalls, code=code)
        ends = [*_EDGES, None]
        bins = []
        for before, most in zip([-1, *_EDGES], ends):
            inside = (
                r.runs for r in rows if r.calls > before and (most is None or r.calls <= most)
            )
            bins.append(Bin(before + 1, most, sum(inside)))
        filled = [number for number, each in enumerate(bins) if each.runs]
        return bins[filled[0] : filled[-1] + 1] if filled else []

    def count(self, which: Which) -> int:
        """How many runs there are."""
        (row,) = self._rows(_COUNT, _Number, **_bound(which))
        return int(row.number)

    def runs(
        self,
        which: Which,
        order: str = "time",
        size: int = 50,
        skip: int = 0,
        *,
        ascending: bool = False,
    ) -> list[Run]:
        """The first runs in an order, a key of `ORDERS`; the greatest first unless `ascending`."""
        text = _LISTED.replace("{expression}", ORDERS[order].expression)
        text = text.replace("{way}", "ASC" if ascending else "DESC")
        rows = self._rows(text, _Listed, size=size, skip=skip, **_bound(which))
        places = self._places([row.time for row in rows])
        used: dict[int, dict[str, int]] = {row.run: {} for row in rows}
        for use in self._rows(_USED, Used, runs=list(used)) if used else ():
            used[use.run][use.name] = use.calls
        return [Run(**vars(row), **_place(places.get(row.key)), used=used[row.run]) for row in rows]

    def used_by(self, code: int, top: int = 50) -> list[Used]:
        """The tools that an agent's own runs called."""
        return self._rows(_USED_BY, Used, code=code, top=top)

    def steps(self, operation: str, top: int = 100) -> list[Step]:
        """Tools or retrievals, in runs or not; those that failed most often first."""
        window = self._runs.window
        bound = {"begin": window.since, "end": window.until, "operation": operation}
        rows = self._rows(_STEPS, _StepSums, top=top, **bound)
        places = self._places([row.time for row in rows if row.time])
        return [Step(**vars(row), trace_id=_place(places.get(row.key))["trace_id"]) for row in rows]

    def _places(self, times: Sequence[datetime]) -> dict[int, _Place]:
        """The spans at these times, by their key. Few of the files' parts hold such a time."""
        if not times:
            return {}
        bound = {f"time{number}": time for number, time in enumerate(sorted(set(times)))}
        text = _WHERE.replace("{times}", ", ".join(f"${name}" for name in bound))
        return {row.key: row for row in self._rows(text, _Place, **bound)}


def _bound(which: Which) -> dict[str, Any]:
    return {**vars(which), "streak": STREAK}


def _place(place: _Place | None) -> dict[str, Any]:
    names = ("trace_id", "tenant_id", "feature")
    return {name: getattr(place, name, None) for name in names}


# The last question of each lake: who looks at one agent, or sorts its runs, asks the same again.
_LAST: WeakKeyDictionary[Lake, tuple[object, Figures]] = WeakKeyDictionary()


def figures(lake: Lake, selection: Filter) -> Figures:
    """All of a window; the same again while the lake is, for up to a minute."""
    question = replace(
        selection,
        since=selection.since.replace(second=0, microsecond=0),
        until=selection.until.replace(second=0, microsecond=0),
    )
    key = (lake.version(), lake.damaged(), question)
    last = _LAST.get(lake)
    if last is not None and last[0] == key:
        return last[1]
    # Not two of them in memory.
    last = None
    _LAST.pop(lake, None)
    result = Figures(agent_runs.read(lake, selection))
    _LAST[lake] = key, result
    return result
