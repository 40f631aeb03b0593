"""Agents: what their runs take and cost, which of them loop, which tools fail or are slow."""

from __future__ import annotations

from typing import Any, Final

import htpy as h

from llm_otel import formats, semconv
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import figure_card, figures, grid, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common, run_charts
from llm_otel.dashboard.pages.run_list import (
    agent_address,
    narrowed,
    page_of_runs,
    pages,
    runs_table,
    which,
)
from llm_otel.lake.queries import agents
from llm_otel.lake.queries.agents import KINDS, ORDERS, STREAK, Agent, Figures, Step, Which

# More model calls than this are a loop; the first is the default.
_LIMITS: Final = {"25": 25, "10": 10, "50": 50}
# The runs of all agents and workflows, as traces are filtered by it.
_ANY_RUN: Final = "invoke_*"
_LOOPS: Final = 25


class Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        figures_: Lazy[Figures] = Lazy(lambda: agents.figures(context.lake, context.filter))
        self.figures = figures_
        self.agents = Lazy(lambda: figures_().agents())
        self.tools = Lazy(lambda: figures_().steps(semconv.EXECUTE_TOOL))
        self.searches = Lazy(lambda: figures_().steps(semconv.RETRIEVAL))
        loops = Which(limit=limit(context), looping=True)
        self.loops = Lazy(lambda: figures_().runs(loops, "calls", _LOOPS))
        self.loop_count = Lazy(lambda: figures_().count(loops))
        self.which = which(context, agents.ANY, limit(context))
        self.runs = Lazy(lambda: page_of_runs(context, figures_(), self.which))
        self.count = Lazy(lambda: figures_().count(self.which))


def limit(context: Context) -> int:
    """From how many model calls on a run is a loop."""
    return _LIMITS[context.state.choice("limit", _LIMITS)]


def _tables(context: Context, data: Data) -> Tables:
    return {
        "agents": lambda: _agents(context, data.agents()),
        "loops": lambda: runs_table(
            context,
            formats.plural(data.loop_count(), "loop"),
            data.loops(),
            with_agent=True,
            sortable=False,
            about="The runs above one that loops are listed, too: its calls are theirs.",
            empty=f"No run made more than {limit(context)} model calls, or called one tool "
            f"{STREAK} times in a row.",
        ),
        "tools": lambda: _steps(context, "Tools", semconv.EXECUTE_TOOL, data.tools()),
        "retrieval": lambda: _steps(context, "Retrieval", semconv.RETRIEVAL, data.searches()),
        "runs": lambda: runs_table(
            context,
            formats.plural(data.count(), "run"),
            data.runs(),
            with_agent=True,
            sortable=True,
            empty="No run is like that.",
        ),
    }


def _agents(context: Context, rows: list[Agent]) -> Table:
    def step(row: Agent) -> str:
        return f"{KINDS[row.kind]} {row.name}"

    def failed(row: Agent) -> str | None:
        return context.there("/traces", failed_step=step(row)) if row.failed else None

    return Table(
        "Agents and workflows",
        (
            word("Name", lambda r: r.name, clip=True,
                 link=lambda r: agent_address(context, r.kind, r.name)),
            word("Kind", lambda r: r.kind),
            Column("Runs", lambda r: r.runs, formats.count, bar=True,
                   link=lambda r: context.there("/traces", step=step(r))),
            Column("Failed", lambda r: r.failed / r.runs, formats.share, link=failed,
                   tone=lambda r: "bad" if r.failed else ""),
            Column("P50", lambda r: r.p50, formats.seconds),
            Column("P95", lambda r: r.p95, formats.seconds, bar=True),
            Column("Calls", lambda r: r.calls, mean),
            Column("Max calls", lambda r: r.most_calls, formats.count),
            Column("Tools", lambda r: r.tools, mean),
            Column("Max tools", lambda r: r.most_tools, formats.count),
            Column("Tokens", lambda r: r.tokens, formats.count),
            Column("Cost a run", lambda r: r.run_usd, formats.money,
                   least=lambda r: r.unpriced),
            Column("Cost", lambda r: r.cost_usd, formats.money, bar=True,
                   least=lambda r: r.unpriced),
            word("Most fail with", lambda r: r.error_type, on_page=False),
            common.unpriced_column(on_page=False),
            word("Last run (UTC)", lambda r: r.last_seen, write=formats.when, on_page=False),
        ),
        rows,
        "No agent ran in this window.",
        "Model calls, tool calls, tokens and cost are the mean of a run, with everything below it: "
        "those of its agents are a workflow's, too.",
    )  # fmt: skip


def mean(value: float | None) -> str:
    """A mean number of things."""
    return formats.NOTHING if value is None else f"{value:,.1f}"


def _steps(context: Context, title: str, operation: str, rows: list[Step]) -> Table:
    def slowest(row: Step) -> str | None:
        if row.trace_id is None or row.time is None:
            return None
        at = row.time.isoformat(timespec="seconds")
        return context.there(f"/traces/{row.trace_id}", at=at)

    def failed(row: Step) -> str | None:
        step = f"{operation} {row.name}"
        return context.there("/traces", failed_step=step) if row.failed else None

    return Table(
        title,
        (
            word("Name", lambda r: r.name, clip=True,
                 link=lambda r: context.there("/traces", step=f"{operation} {r.name}")),
            Column("Calls", lambda r: r.calls, formats.count, bar=True),
            Column("Failed", lambda r: r.failed / r.calls, formats.share, link=failed,
                   tone=lambda r: "bad" if r.failed else ""),
            word("Mostly", lambda r: r.error_type),
            Column("P50", lambda r: r.p50, formats.seconds),
            Column("P95", lambda r: r.p95, formats.seconds, bar=True),
            Column("Slowest", lambda r: r.slowest_s, formats.seconds, link=slowest),
        ),
        rows,
        "None in this window.",
        "Those that fail most often first",
    )  # fmt: skip


def _plots(context: Context, data: Data) -> Charts:
    return {
        "runs": lambda: run_charts.over_time(context, data.figures(), _ANY_RUN),
        "cost-of-run": lambda: run_charts.cost(context, data.figures(), _ANY_RUN),
        "calls-of-run": lambda: run_charts.distribution(context, data.figures()),
    }


def _show(context: Context, data: Data, tables: Tables, plots: Charts) -> list[Any]:
    def step_table(name: str, rows: Lazy[list[Step]]) -> Any:
        return common.show(context, tables, name) if rows() else None

    steps = [
        common.part(context, "The tools", lambda: step_table("tools", data.tools)),
        common.part(context, "The retrieval", lambda: step_table("retrieval", data.searches)),
    ]
    if not data.figures().totals.runs:
        return [empty.hint("agents"), *steps]
    limits = {
        str(number): (context.here(limit=str(number)), number == limit(context))
        for number in sorted(_LIMITS.values())
    }
    more_than = h.div(class_="row")[
        h.span(class_="muted")["More model calls than"], switch("More model calls than", limits)
    ]
    return [
        common.unknown_choice(context, "sort", ORDERS),
        common.unknown_choice(context, "limit", _LIMITS),
        common.part(context, "The figures", lambda: figures(_cards(context, data))),
        common.show(context, tables, "agents"),
        common.draw(context, plots, "runs", wide=True),
        grid([common.draw(context, plots, name) for name in ("cost-of-run", "calls-of-run")]),
        common.show(context, tables, "loops", more_than),
        *steps,
        narrowed(context, data.which),
        common.show(context, tables, "runs"),
        common.part(context, "The pages", lambda: pages(context, len(data.runs()), data.count)),
    ]


def _cards(context: Context, data: Data) -> list[Any]:
    totals, rows = data.figures().totals, data.agents()
    failed = sum(row.failed for row in rows)
    counts = [formats.plural(sum(row.kind == kind for row in rows), kind) for kind in KINDS]
    tools = sum(row.calls for row in data.tools())
    tools_failed = sum(row.failed for row in data.tools())
    return [
        figure_card(
            "Runs",
            formats.count(totals.runs),
            note=f"{formats.share(failed / totals.runs)} failed; of {' and '.join(counts)}",
        ),
        figure_card(
            "Cost",
            formats.cost(totals.cost_usd, totals.unpriced),
            note=formats.missing(totals.unpriced)
            or f"{formats.plural(totals.calls, 'model call')}, each once",
        ),
        figure_card(
            "Loops",
            formats.count(data.loop_count()),
            note=f"more than {limit(context)} model calls, or a tool {STREAK} times in a row",
        ),
        figure_card(
            "Failed tool calls",
            formats.share(tools_failed / tools) if tools else formats.NOTHING,
            note=f"{formats.count(tools_failed)} of {formats.count(tools)}"
            if tools
            else "no tools in this window",
        ),
    ]


PAGE = Page(
    "/agents", "Agents", "Runs, steps, loops, and the tools they call", Data, _tables, _plots, _show
)
