"""The runs of agents and workflows, each with everything below it: built once for a question.

A trace is a forest of spans, and a run is one of them with all that is below: runs of other agents,
tools, searches, calls. DuckDB reads and joins the spans by a 64-bit hash of their ids, as the
deduplication does; who is above whom is followed in arrays of row numbers, which takes a tenth of
what a recursive query does and ends for parents that form a circle. The answer is put back as
temporary tables for the queries of `agents`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake.queries import ancestry, marks
from llm_otel.lake.queries.ancestry import Numbers
from llm_otel.lake.queries.filters import (
    STEP_ATTRIBUTE,
    STEP_SUFFIX,
    STEPS,
    Filter,
    described,
)
from llm_otel.lake.queries.reader import Connects, Reader

RUNS: Final = (semconv.INVOKE_AGENT, semconv.INVOKE_WORKFLOW)
# What a run did after the window's end belongs to it, up to so long after.
_LATE: Final = timedelta(hours=6)
# The runs of the first calls of a window mostly began at most so long before it.
_EARLY: Final = timedelta(hours=1)
# The code of a span that is no step: only what is above it matters.
_OTHER: Final = -1

_CHOSEN: Final = "SELECT DISTINCT trace_id FROM {calls}"
_ONLY_CHOSEN: Final = "AND trace_id IN (SELECT trace_id FROM chosen)"
# Of each operation and span name, and of the attribute where the span names do not say it.
_NAMES: Final = """
    SELECT *, coalesce({suffix}, attribute, name) AS label,
        dense_rank() OVER (ORDER BY operation, label) - 1 AS code, {suffix} IS NOT NULL AS usual
    FROM (
        SELECT operation, name, {attribute} AS attribute FROM {spans}
        WHERE list_contains($steps, operation) {only} GROUP BY ALL
    )
""".replace("{suffix}", STEP_SUFFIX)
_NODES: Final = """
    SELECT hash(trace_id, span_id) AS key,
        CASE WHEN parent_span_id IS NOT NULL THEN hash(trace_id, parent_span_id) END AS above,
        n.code::INTEGER AS code, s.time, s.duration_s, s.status = 'error' AS failed,
        s.kind IN ('client', 'server') AS remote,
        CASE WHEN s.status = 'error' THEN s.error_type END AS error_type
    FROM (SELECT *, {attribute} AS attribute FROM {spans}
        WHERE list_contains($steps, operation) {only}) s
    JOIN names n ON n.operation = s.operation AND n.name = s.name {same}
"""
_SAME: Final = "AND n.attribute IS NOT DISTINCT FROM s.attribute"
# The others of the traces with a run or a tool: an HTTP request between two agents, a step of a
# framework.
_WITH_OTHERS: Final = f"""
    SELECT * FROM nodes UNION ALL BY NAME
    SELECT hash(trace_id, span_id) AS key, hash(trace_id, parent_span_id) AS above,
        {_OTHER} AS code, time
    FROM {{spans}} WHERE parent_span_id IS NOT NULL
        AND (operation IS NULL OR NOT list_contains($steps, operation)) AND trace_id IN (
            SELECT trace_id FROM {{spans}} WHERE list_contains($upper, operation) {{only}})
"""  # noqa: S608 names of this module
# A span that was stored on two days.
_ONCE: Final = """
    SELECT * FROM nodes QUALIFY row_number() OVER (PARTITION BY key ORDER BY code DESC, time) = 1
"""
_ABOVE: Final = """
    SELECT n.rowid::INTEGER AS place, coalesce(a.rowid, -1)::INTEGER AS above,
        n.time >= $begin AS inside
    FROM nodes n LEFT JOIN nodes a ON a.key = n.above WHERE n.above IS NOT NULL
"""
_CALLS: Final = """
    SELECT coalesce(n.rowid, -1)::INTEGER AS place, coalesce(c.cost_usd, 0) AS cost_usd,
        (c.cost_usd IS NOT NULL)::UTINYINT AS priced, {unpriced}::UTINYINT AS unpriced,
        coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0) AS tokens
    FROM (SELECT * FROM {calls} WHERE parent_span_id IS NOT NULL AND time >= $begin {only}) c
    LEFT JOIN nodes n ON n.key = hash(c.trace_id, c.parent_span_id)
""".replace("{unpriced}", f"coalesce({marks.UNPRICED}, false)")
_COUNTS: Final = """
    SELECT (SELECT count(above) FROM nodes) AS nodes, count(*) AS calls
    FROM {calls} WHERE parent_span_id IS NOT NULL AND time >= $begin {only}
"""
_ARRAYS: Final = """
    SELECT code, coalesce(remote, false) AS remote, epoch_us(time) AS start_us,
        epoch_us(time) + (coalesce(duration_s, 0) * 1e6)::BIGINT AS end_us FROM nodes
"""
_TABLE: Final = """
    SELECT r.* EXCLUDE (priced, cost_usd), n.key, n.code, n.time, n.duration_s, n.failed,
        n.error_type, CASE WHEN r.priced > 0 OR r.calls = 0 THEN r.cost_usd END AS cost_usd
    FROM run_arrays r JOIN nodes n ON n.rowid = r.place WHERE n.time >= $begin AND n.time < $end
"""


@dataclass(frozen=True)
class _Code:
    code: int
    operation: str
    usual: bool


@dataclass(frozen=True)
class _Counts:
    nodes: int
    calls: int


@dataclass(frozen=True)
class Totals:
    """Of all runs, each call once, however many runs it is below of.

    Attributes:
        runs: How many.
        calls, tools, tokens: Of model calls, tool calls, and the tokens of the calls.
        cost_usd: USD; None where no call has a known cost.
        unpriced: Calls whose cost is unknown or incomplete.
    """

    runs: int
    calls: int
    tools: int
    tokens: int
    cost_usd: float | None
    unpriced: int


@dataclass(frozen=True)
class Runs:
    """A question's runs, ready to be asked: `reader` has the temporary tables

    - `names`: the code of each operation and label,
    - `nodes`: every step, `code` -1 for other spans,
    - `runs`: one row a run, with sums of all below it, other runs with them; `whole` says that no
      run of the same name is above it, so that its sums are in no other's of that name,
    - `uses`: every tool call below a run: the run, and the code of the tool;
    - `repeated`: places in `nodes` of spans that tell of the tool call above them once more.
    """

    reader: Reader
    window: Filter
    totals: Totals


def read(lake: Connects, selection: Filter) -> Runs:
    """Find the runs that began in the window, in the traces with a call that the filter lets
    through; without a filter, in all."""
    reader = Reader(lake, replace(selection, until=selection.until + _LATE), _EARLY)
    narrowed = bool(described(selection))
    if narrowed:
        reader.keep("chosen", _CHOSEN)
    # From here on whole traces.
    reader.filter = Filter(selection.since - _EARLY, selection.until + _LATE)
    forest = _Forest(reader, selection, _ONLY_CHOSEN if narrowed else "")
    return Runs(reader, selection, forest.keep_runs())


class _Forest:
    """The steps of a window, and what is above and below them."""

    def __init__(self, reader: Reader, selection: Filter, only: str) -> None:
        self._reader = reader
        self._only = only
        self._values: dict[str, Any] = {
            "steps": list(STEPS),
            "begin": selection.since,
            "end": selection.until,
        }
        self._keep_steps()
        codes = reader.rows("SELECT DISTINCT code, operation, usual FROM names", _Code)
        self._runs = [row.code for row in codes if row.operation in RUNS]
        self._tools = [row.code for row in codes if row.operation == semconv.EXECUTE_TOOL]
        self._nests = bool(self._runs or self._tools)
        self._above, self._calls = self._links()
        lost = (_column(self._above, "above") < 0) & _column(self._above, "inside")
        if self._nests and (lost.any() or (_column(self._calls, "place") < 0).any()):
            upper = [*RUNS, semconv.EXECUTE_TOOL]
            reader.keep("nodes", self._text(_WITH_OTHERS), **self._values, upper=upper)
            self._above, self._calls = self._links()

    def _text(self, query: str, attribute: str = "NULL", same: str = "") -> str:
        parts = {"{attribute}": attribute, "{same}": same, "{only}": self._only}
        for name, part in parts.items():
            query = query.replace(name, part)
        return query

    def _keep_steps(self) -> None:
        reader, look = self._reader, ("NULL", "")
        reader.keep("names", self._text(_NAMES), **self._values)
        if reader.rows("SELECT code, operation, usual FROM names WHERE NOT usual LIMIT 1", _Code):
            # The attributes are long: they are read where a span's name does not say enough.
            look = (STEP_ATTRIBUTE, _SAME)
            reader.keep("names", self._text(_NAMES, *look), **self._values)
        reader.keep("nodes", self._text(_NODES, *look), **self._values)

    def _links(self) -> tuple[pa.Table, pa.Table]:
        """What is right above each node, and above each call."""
        if not self._nests:
            return self._reader.arrow(_ABOVE + " LIMIT 0", **self._values), _NO_CALLS
        calls = self._text(_CALLS)
        tables = (
            self._reader.arrow(_ABOVE, **self._values), self._reader.arrow(calls, **self._values)
        )  # fmt: skip
        counts = self._reader.one(self._text(_COUNTS), _Counts, **self._values)
        if (counts.nodes, counts.calls) == tuple(map(len, tables)):
            return tables
        self._reader.keep("nodes", _ONCE)
        return self._links()

    def keep_runs(self) -> Totals:
        """Put the tables `runs` and `uses`; the sums over all."""
        nodes = self._reader.arrow(_ARRAYS)
        code, start, end = (_column(nodes, name) for name in ("code", "start_us", "end_us"))
        parents = np.full(len(code), -1, np.int32)
        parents[_column(self._above, "place")] = _column(self._above, "above")
        parents = ancestry.without_circles(parents, start)
        is_run = np.isin(code, self._runs)
        # A framework's own span and an instrumentation's for the same run.
        is_run[ancestry.repeats(parents, is_run, code)] = False
        places = np.flatnonzero(is_run)
        # One more row for what is below no run: -1 is its place.
        number = np.full(len(code) + 1, -1, np.int32)
        number[places] = np.arange(len(places))
        runs_at = number[np.append(ancestry.nearest(parents, is_run), -1)]
        tools, repeated = self._tool_calls(parents, code, _column(nodes, "remote"))
        tools = tools[runs_at[tools] >= 0]
        uses, callers = runs_at[tools], runs_at[_column(self._calls, "place")]
        higher = runs_at[parents[places]]
        levels = ancestry.deepest_first(higher)
        own = _own(self._calls, callers, uses, len(places))
        sums = {name: ancestry.sums_below(own[name], higher, levels) for name in own}
        streak, streak_code = ancestry.streaks(
            uses, code[tools], start[tools], end[tools], len(places)
        )
        columns = {
            **{name: values.round().astype(np.int64) for name, values in sums.items()},
            "cost_usd": sums["cost_usd"], "place": places, "run": np.arange(len(places)),
            "higher": higher, "whole": ~ancestry.has_same_above(higher, code[places]),
            "streak": streak, "streak_code": streak_code,
        }  # fmt: skip
        self._reader.put("run_arrays", _table(columns))
        self._reader.keep("runs", _TABLE, **self._values)
        self._reader.put("uses", _table({"run": uses, "code": code[tools]}))
        self._reader.put("repeated", _table({"place": repeated}))
        begins = start[places]
        is_inside = (begins >= _us(self._values["begin"])) & (begins < _us(self._values["end"]))
        return _totals(own, is_inside)

    def _tool_calls(
        self, parents: Numbers, code: Numbers, remote: Numbers
    ) -> tuple[Numbers, Numbers]:
        """The calls of tools, and the spans that tell of one of these once more: below a step of
        the program an MCP client's, and below that its server's. A tool that calls itself is none.
        """
        is_tool = np.isin(code, self._tools)
        # One more row for what is below no step: -1 is its place.
        steps = np.append(ancestry.nearest(parents, code != _OTHER), -1)
        repeated = ancestry.repeats(steps[parents], is_tool, code)
        repeated = repeated[remote[repeated]]
        is_tool[repeated] = False
        return np.flatnonzero(is_tool), repeated


_NO_CALLS: Final = pa.table(
    {"place": pa.array([], pa.int32()), "cost_usd": pa.array([], pa.float64()),
     "priced": pa.array([], pa.uint8()), "unpriced": pa.array([], pa.uint8()),
     "tokens": pa.array([], pa.int64())}
)  # fmt: skip


def _table(columns: dict[str, Numbers]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _column(table: pa.Table, name: str) -> Numbers:
    return np.asarray(table[name].to_numpy())


# What is added up, of calls; and of the tools.
_SUMMED: Final = ("cost_usd", "priced", "unpriced", "tokens")


def _own(calls: pa.Table, callers: Numbers, uses: Numbers, size: int) -> dict[str, Numbers]:
    """What is below each run, and below no other run in between."""
    is_below = callers >= 0
    callers = callers[is_below]
    own = {
        name: np.bincount(callers, _column(calls, name)[is_below].astype(float), size)
        for name in _SUMMED
    }
    own["calls"] = np.bincount(callers, minlength=size).astype(float)
    own["tools"] = np.bincount(uses, minlength=size).astype(float)
    return own


def _us(time: Any) -> int:
    return int(np.datetime64(time, "us").astype(np.int64))


def _totals(own: dict[str, Numbers], is_inside: Numbers) -> Totals:
    of_all = {name: values[is_inside].sum() for name, values in own.items()}
    cost = float(of_all["cost_usd"]) if of_all["priced"] or not of_all["calls"] else None
    calls, tools, tokens, unpriced = (
        round(of_all[name]) for name in ("calls", "tools", "tokens", "unpriced")
    )
    return Totals(int(is_inside.sum()), calls, tools, tokens, cost, unpriced)
