"""The page of agents: what of a run is below it, loops, tools, and the way to the traces."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import charts, content, links, text

import llm_otel.lake
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.site import Site
from llm_otel.lake.queries import agents
from llm_otel.lake.queries.agents import Figures, Which
from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30)
WEEK = Filter(NOW - timedelta(days=7), NOW)
RUNS = ("invoke_agent", "invoke_workflow")


class Rows:
    """Spans and calls of made-up traces, written as they are."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []

    def span(
        self, operation: str | None, step: str, parent: str | None = None, **fields: Any
    ) -> str:
        """One span, a second after the one before; its id."""
        number = len(self.spans) + 1
        row = {"time": NOW - timedelta(hours=5) + timedelta(seconds=number),
               "trace_id": f"{1:032x}", "span_id": f"{number:016x}", "parent_span_id": parent,
               "operation": operation, "name": f"{operation} {step}" if operation else step,
               "service_name": "shop", "status": "ok", "duration_s": 0.5, **fields}  # fmt: skip
        self.spans.append(row)
        return str(row["span_id"])

    def call(self, parent: str | None, cost: float | None = 1.0, **fields: Any) -> None:
        """A model call of 100 tokens, with its span."""
        name = {"name": "chat", "model": "gpt-5", "provider": "openai"}
        trace = {key: fields[key] for key in ("trace_id", "time") if key in fields}
        span_id = self.span("chat", "chat", parent, **trace)
        row = {**self.spans[-1], **name, "cost_usd": cost, "input_tokens": 90,
               "output_tokens": 10, "span_id": span_id, **fields}  # fmt: skip
        self.calls.append(row)


Shows = Callable[[Rows], Figures]


@pytest.fixture
def figures(tmp_path: Path) -> Shows:
    """Stores rows, and reads the figures of the week."""

    def read(rows: Rows, selection: Filter = WEEK) -> Figures:
        with Writer(tmp_path) as writer:
            writer.append(spans=rows.spans, calls=rows.calls)
        return agents.figures(llm_otel.lake.open(tmp_path), selection)

    return read


def site(folder: Path) -> Site:
    """The dashboard over a lake."""
    return Site(llm_otel.lake.open(folder), clock=lambda: NOW.replace(tzinfo=timezone.utc))


def saved(folder: Path, table: str, address: str = "/agents") -> list[dict[str, str]]:
    """A table of a page as a program gets it."""
    path, _, query = address.partition("?")
    browser = create_app(folder, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()
    answer = browser.get(f"/csv/{table}?of={path}&{query}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def nested() -> Rows:
    """A workflow of two agents with 1, 1 and 3 calls of their own; tools and a search between."""
    rows = Rows()
    flow = rows.span("invoke_workflow", "answer", duration_s=9.0)
    rows.call(flow)
    first = rows.span("invoke_agent", "planner", flow, duration_s=4.0)
    rows.call(first)
    tool = rows.span("execute_tool", "delegate", first)
    second = rows.span("invoke_agent", "researcher", tool, duration_s=2.0)
    for _ in range(2):
        rows.call(second)
        rows.span("execute_tool", "search", second)
    http = rows.span(None, "POST /rank", rows.span("retrieval", "docs", second))
    rows.call(http)
    return rows


def test_all_below_a_run_is_of_it_and_counts_once_in_sum(figures: Shows) -> None:
    """Through tools, searches, and spans of other kinds."""
    seen = figures(nested())
    by_name = {row.name: (row.calls, row.tools, row.tokens, row.cost_usd) for row in seen.agents()}
    assert by_name == {
        "answer": (5, 3, 500, 5.0), "planner": (4, 3, 400, 4.0), "researcher": (3, 2, 300, 3.0)
    }  # fmt: skip
    totals = seen.totals
    assert (totals.runs, totals.calls, totals.tools, totals.cost_usd) == (3, 5, 3, 5.0)


def test_an_agent_below_itself_pays_for_a_call_once(figures: Shows) -> None:
    """It called itself by a tool: each run has the call, the sum of its runs has it once."""
    rows = Rows()
    outer = rows.span("invoke_agent", "solver")
    tool = rows.span("execute_tool", "ask", outer)
    rows.call(rows.span("invoke_agent", "solver", tool))
    (row,) = figures(rows).agents()
    assert (row.runs, row.most_calls, row.cost_usd) == (2, 1, 1.0)


def test_a_run_told_of_twice_is_one(figures: Shows) -> None:
    """A framework's span, and right below it an instrumentation's of the same agent."""
    rows = Rows()
    rows.call(rows.span("invoke_agent", "helper", rows.span("invoke_agent", "helper")))
    (row,) = figures(rows).agents()
    assert (row.runs, row.calls, row.cost_usd) == (1, 1, 1.0)


@pytest.mark.parametrize("upper", ["invoke_agent", None], ids=["agent", "no agent"])
@pytest.mark.parametrize("client", ["execute_tool", None])
def test_a_tool_over_mcp_is_called_once(
    figures: Shows, upper: str | None, client: str | None
) -> None:
    """The program's step, the MCP client's span (without an operation inside such a step) and the
    server's tell of one call; what the server's tool itself calls is another."""
    rows = Rows()
    agent = rows.span(upper, "helper")
    named = {"name": "tools/call track", "attributes": json.dumps({"gen_ai.tool.name": "track"})}
    for _ in range(2):
        step = rows.span("execute_tool", "track", agent, kind="internal")
        asking = rows.span(client, "", step, kind="client", **named)
        serving = rows.span("execute_tool", "", asking, kind="server", **named)
        rows.span("execute_tool", "carrier", serving, kind="internal")
    seen = figures(rows)
    assert {tool.name: tool.calls for tool in seen.steps("execute_tool")} == {
        "track": 2, "carrier": 2
    }  # fmt: skip
    assert [row.tools for row in seen.agents()] == ([4] if upper else [])


def test_a_tool_that_calls_itself_is_called_twice(figures: Shows) -> None:
    """Both spans are the program's own steps."""
    rows = Rows()
    outer = rows.span("execute_tool", "walk", rows.span("invoke_agent", "helper"), kind="internal")
    rows.span("execute_tool", "walk", outer, kind="internal")
    seen = figures(rows)
    assert [tool.calls for tool in seen.steps("execute_tool")] == [2]
    assert [row.tools for row in seen.agents()] == [2]


def test_the_server_alone_tells_of_a_tool(figures: Shows) -> None:
    """Where its client sends no telemetry, the server's span is the call."""
    rows = Rows()
    attributes = json.dumps({"gen_ai.tool.name": "track"})
    named = {"name": "tools/call track", "attributes": attributes}
    rows.span("execute_tool", "", "f" * 16, kind="server", **named)
    assert [(tool.name, tool.calls) for tool in figures(rows).steps("execute_tool")] == [
        ("track", 1)
    ]


def test_spans_that_only_wrap_are_no_agents(figures: Shows) -> None:
    """Nor is the making of one."""
    rows = Rows()
    rows.call(rows.span("create_agent", "helper", rows.span(None, "autogen process helper")))
    seen = figures(rows)
    assert (seen.agents(), seen.totals.runs) == ([], 0)


def test_the_name_is_in_the_span_or_in_the_attribute(figures: Shows) -> None:
    """Some name their spans otherwise than the conventions."""
    rows = Rows()
    attributes = json.dumps({"gen_ai.agent.name": "planner", "other": "x"})
    rows.span("invoke_agent", "", name="Agent.run", attributes=attributes)
    rows.span("invoke_agent", "planner", trace_id=f"{2:032x}")
    rows.span("invoke_agent", "", name="invoke_agent", trace_id=f"{3:032x}")
    named = {row.name: row.runs for row in figures(rows).agents()}
    assert named == {"planner": 2, "invoke_agent": 1}


def test_what_is_unpriced_is_marked(figures: Shows, tmp_path: Path) -> None:
    """A cost that lacks a call is at least that much; one of which nothing is known is a dash."""
    rows = Rows()
    agent = rows.span("invoke_agent", "half")
    rows.call(agent, 2.0)
    rows.call(agent, None)
    rows.call(rows.span("invoke_agent", "dark", trace_id="2" * 32), None, trace_id="2" * 32)
    rows.span("invoke_agent", "idle", trace_id="3" * 32)
    seen = {row.name: (row.run_usd, row.cost_usd, row.unpriced) for row in figures(rows).agents()}
    assert seen == {"half": (2.0, 2.0, 1), "dark": (None, None, 1), "idle": (0.0, 0.0, 0)}
    words = text(content(site(tmp_path), "/agents"))
    assert "≥ $2.00" in words, words
    assert "2 unpriced or incomplete" in words, words
    one = text(content(site(tmp_path), "/agents/half?kind=agent"))
    assert "≥ $2.00" in one, one


def test_tools_fail_and_are_slow(figures: Shows, tmp_path: Path) -> None:
    """Those of no agent count, too; the slowest leads to its trace."""
    rows = Rows()
    agent = rows.span("invoke_agent", "helper")
    rows.call(agent)
    for seconds in (1.0, 2.0, 3.0):
        rows.span("execute_tool", "search", agent, duration_s=seconds)
    rows.span("execute_tool", "search", agent, duration_s=9.0, status="error",
              error_type="TimeoutError")  # fmt: skip
    rows.span("execute_tool", "clock", trace_id="7" * 32, duration_s=0.25)
    rows.span("retrieval", "docs", agent, status="error", error_type="KeyError")
    figures(rows)
    by_name = {row["Name"]: row for row in saved(tmp_path, "tools")}
    search = by_name["search"]
    assert (search["Calls"], search["Failed"], search["Mostly"]) == ("4", "0.25", "TimeoutError")
    assert (search["P50"], search["Slowest"]) == ("2.5", "9.0")
    assert by_name["clock"]["Failed"] == "0.0"
    assert saved(tmp_path, "retrieval")[0]["Mostly"] == "KeyError"
    page = content(site(tmp_path), "/agents")
    assert "25.0 %" in text(page)
    assert links(page)["250 ms"].startswith(f"/traces/{'7' * 32}?at=2026-11-20")


def test_a_loop_is_many_calls_or_one_tool_again_and_again(figures: Shows, tmp_path: Path) -> None:
    """Ten of one tool one after the other; asked for at once they are no loop."""
    rows = Rows()
    for name, calls in (("busy", 26), ("usual", 25), ("modest", 11)):
        trace = {"trace_id": f"{calls:032x}"}
        agent = rows.span("invoke_agent", name, **trace)
        for _ in range(calls):
            rows.call(agent, **trace)
    again = rows.span("invoke_agent", "again", trace_id="a" * 32)
    at_once = rows.span("invoke_agent", "at-once", trace_id="b" * 32)
    for number in range(10):
        rows.span("execute_tool", "search", again, trace_id="a" * 32)
        rows.span("execute_tool", "search", at_once, trace_id="b" * 32,
                  time=NOW - timedelta(hours=1, milliseconds=number))  # fmt: skip
    rows.call(at_once, trace_id="b" * 32)
    figures(rows)

    def looping(address: str) -> set[str]:
        return {row["Agent"] for row in saved(tmp_path, "loops", address)}

    assert looping("/agents") == {"busy", "again"}
    assert looping("/agents?limit=10") == {"busy", "usual", "modest", "again"}
    assert looping("/agents?limit=50") == {"again"}
    rows_by_name = {row["Agent"]: row for row in saved(tmp_path, "runs")}
    assert rows_by_name["again"]["In a row"] == "search × 10"
    assert rows_by_name["at-once"]["In a row"] == ""
    page = content(site(tmp_path), "/agents")
    assert "2 loops" in text(page)
    assert any(f"/traces/{'a' * 32}?" in str(part) for part in page)


def test_parents_in_a_circle_end(figures: Shows) -> None:
    """Of foreign data: each run and call counts once, and the oldest of a circle is its root."""
    rows = Rows()
    one = rows.span("invoke_agent", "one", f"{3:016x}")
    two = rows.span("invoke_agent", "two", one)
    three = rows.span("execute_tool", "three", two)
    rows.call(three)
    own = rows.span("invoke_agent", "own", f"{len(rows.spans) + 1:016x}", trace_id="c" * 32)
    rows.call(own, trace_id="c" * 32)
    seen = figures(rows)
    assert {row.name: row.calls for row in seen.agents()} == {"one": 1, "two": 1, "own": 1}
    assert (seen.totals.calls, seen.totals.cost_usd) == (2, 2.0)


def _forest(rng: random.Random, traces: int) -> Rows:
    rows = Rows()
    kinds = ["invoke_agent", "invoke_workflow", "execute_tool", "retrieval", None, "chat"]
    for number in range(traces):
        trace = f"{number + 1:032x}"
        ids: list[str] = []
        began = NOW - timedelta(hours=rng.uniform(1, 24 * 8))
        for _ in range(rng.randint(1, 14)):
            start = began + timedelta(minutes=rng.uniform(0, 50))
            parent = rng.choice([*ids, None, "f" * 16]) if ids else None
            kind = rng.choices(kinds, (3, 1, 3, 1, 1, 5))[0]
            if kind == "chat":
                cost = rng.choice([None, rng.randint(1, 9) / 8])
                # Otherwise those below each other would be one request.
                size = len(rows.calls) ** 2 + 1
                other = {"model": f"model-{size}", "input_tokens": 3 * size, "output_tokens": size}
                rows.call(parent, cost, trace_id=trace, time=start, **other)
                ids.append(rows.calls[-1]["span_id"])
            else:
                fields = {"trace_id": trace, "time": start}
                name = rng.choice("abcd")
                ids.append(rows.span(kind, name, parent, **fields))
        if len(ids) > 3 and rng.random() < 0.2:
            # A circle, or a part of the tree that hangs in the air.
            victim = next(row for row in rows.spans if row["span_id"] == ids[0])
            if victim["operation"] != "chat":
                victim["parent_span_id"] = ids[-1]
    return rows


def _plainly(rows: Rows) -> dict[str, tuple[int, int, float, int]]:
    """Runs, calls, cost in eighths and unpriced calls below them, by the name: from the words of
    the definition, span by span."""
    spans = {row["span_id"]: row for row in rows.spans}
    above = {key: row["parent_span_id"] if row["parent_span_id"] in spans else None
             for key, row in spans.items()}  # fmt: skip
    for key in spans:
        path: list[str] = []
        step: str | None = key
        while step is not None and step not in path:
            path.append(step)
            step = above[step]
        if step is not None:
            circle = path[path.index(step) :]
            above[min(circle, key=lambda each: spans[each]["time"])] = None
    label = {key: (row["operation"], row["name"].split(" ")[-1]) for key, row in spans.items()
             if row["operation"] in RUNS}  # fmt: skip
    runs = {key for key in label if above[key] not in label or label[above[key]] != label[key]}

    def inside(row: dict[str, Any]) -> bool:
        return bool(WEEK.since <= row["time"] < WEEK.until)

    sums = {name: [0, 0, 0.0, 0] for name in label.values()}
    for key in runs:
        sums[label[key]][0] += inside(spans[key])
    for row in rows.calls:
        counted = set()
        step = above[row["span_id"]]
        if not inside(row):
            continue
        while step is not None:
            if step in runs and inside(spans[step]):
                sums[label[step]][1] += 1
                counted.add(label[step])
            step = above[step]
        for name in counted:
            sums[name][2] += row["cost_usd"] or 0
            sums[name][3] += row["cost_usd"] is None
    return {" ".join(name): (*values,) for name, values in sums.items() if values[0]}  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_plain_python(figures: Shows, seed: int) -> None:
    """Random forests: runs in runs, spans of other kinds, circles, parents that are missing."""
    rows = _forest(random.Random(seed), 60)
    seen = {
        f"{agents.KINDS[row.kind]} {row.name}": (
            row.runs, round(row.calls * row.runs), row.cost_usd or 0.0, row.unpriced
        )
        for row in figures(rows).agents()
    }  # fmt: skip
    assert seen == _plainly(rows)


def test_runs_are_sorted_both_ways(figures: Shows) -> None:
    """By what they cost, took and did, the greatest first unless one asks otherwise."""
    rows = Rows()
    for number, (calls, seconds) in enumerate([(1, 3.0), (3, 1.0), (2, 2.0)]):
        trace = {"trace_id": f"{number + 1:032x}"}
        agent = rows.span("invoke_agent", "helper", duration_s=seconds, **trace)
        for _ in range(calls):
            rows.call(agent, **trace)
        rows.span("execute_tool", f"tool{number}", agent, **trace)
    seen = figures(rows)

    def traces(order: str, *, ascending: bool = False) -> list[int]:
        rows = seen.runs(Which(), order, ascending=ascending)
        return [int(row.trace_id or "", 16) for row in rows]

    assert traces("calls") == traces("cost") == [2, 3, 1]
    assert traces("calls", ascending=True) == [1, 3, 2]
    assert traces("duration") == [1, 3, 2]
    assert traces("time") == [3, 2, 1]
    assert seen.runs(Which(), "time")[0].used == {"tool2": 1}


def test_a_filter_chooses_whole_traces(figures: Shows, tmp_path: Path) -> None:
    """As on the page of traces: of a trace with a call like that, everything counts."""
    rows = Rows()
    for trace, models in (("1" * 32, ("gpt-5", "gpt-4o")), ("2" * 32, ("gpt-5",))):
        agent = rows.span("invoke_agent", f"agent-{trace[0]}", trace_id=trace)
        for model in models:
            rows.call(agent, trace_id=trace, model=model)
    figures(rows)
    seen = saved(tmp_path, "agents", "/agents?model=gpt-4o")
    assert [(row["Name"], row["Cost"]) for row in seen] == [("agent-1", "2.0")]


def test_what_goes_on_after_the_window_is_of_the_run(figures: Shows) -> None:
    """A run counts where it began, with all that it did; one of before does not."""
    rows = Rows()
    before = rows.span("invoke_agent", "before", time=WEEK.since - timedelta(minutes=5))
    rows.call(before, time=WEEK.since + timedelta(minutes=5))
    last = rows.span("invoke_agent", "last", time=NOW - timedelta(minutes=5), trace_id="2" * 32)
    rows.call(last, time=NOW + timedelta(minutes=5), trace_id="2" * 32)
    (row,) = figures(rows).agents()
    assert (row.name, row.calls) == ("last", 1)


def test_every_row_and_bar_leads_to_its_traces(figures: Shows, tmp_path: Path) -> None:
    """And the page of traces knows them by the agent, the tool, and their failing."""
    rows = nested()
    failed = rows.span("invoke_agent", "planner", trace_id="2" * 32, status="error")
    rows.call(failed, trace_id="2" * 32)
    rows.span("execute_tool", "planner", trace_id="3" * 32)
    rows.call(None, trace_id="3" * 32)
    figures(rows)
    here = site(tmp_path)
    page = content(here, "/agents")
    found = links(page)
    assert found["planner"] == "/agents/planner?kind=agent", found
    assert "2 traces" in text(content(here, found["2"])), found["2"]
    assert "1 trace\n" in text(content(here, found["50.0 %"])), found["50.0 %"]
    assert "2 traces" in text(content(here, "/traces?step=invoke_*"))
    assert "3 traces" in text(content(here, "/traces?step=planner"))
    runs = charts(here, "/agents")["runs"]
    bar = next(trace for trace in runs.data if trace.name == "failed")
    (href,) = [href for href, y in zip(bar.meta["hrefs"], bar.y) if y]
    assert "1 trace\n" in text(content(here, href)), href
    calls = charts(here, "/agents")["calls-of-run"].data[0]
    assert dict(zip(calls.x, calls.y)) == {"1": 1, "2": 0, "3": 1, "4": 1, "5": 1}
    listed = text(content(here, calls.meta["hrefs"][-1]))
    assert "The list has only the runs with 5 model calls" in listed
    assert "\n1 run\n" in listed


def test_an_agent_has_a_page(figures: Shows, tmp_path: Path) -> None:
    """Its own runs with the tools that they used; an agent of another name is not there."""
    figures(nested())
    here = site(tmp_path)
    page = content(here, "/agents/researcher?kind=agent")
    assert "search × 2" in text(page)
    assert saved(tmp_path, "tools", "/agents/planner?kind=agent")[0]["Tool"] == "delegate"
    assert "No such agent" in text(content(here, "/agents/nobody?kind=agent"))
    assert "No such agent" in text(content(here, "/agents/researcher?kind=workflow"))


def test_without_agents_it_says_how(figures: Shows, tmp_path: Path) -> None:
    """There are calls, and none of them is an agent's."""
    rows = Rows()
    rows.call(None)
    figures(rows)
    words = text(content(site(tmp_path), "/agents"))
    assert "No agents in this window" in words
    assert "llm_otel.agent(" in words
