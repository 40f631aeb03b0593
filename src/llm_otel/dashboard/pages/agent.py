"""One agent or workflow: its runs, and the tools that they called."""

from __future__ import annotations

from typing import Any

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import figure_card, figures, grid, switch
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.components.times import moment
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common, run_charts
from llm_otel.dashboard.pages.agents import limit, mean
from llm_otel.dashboard.pages.run_list import (
    narrowed,
    page_of_runs,
    pages,
    runs_table,
    which,
)
from llm_otel.lake.queries import agents
from llm_otel.lake.queries.agents import KINDS, ORDERS, Agent
from llm_otel.lake.queries.filters import described


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        kind = context.state.get("kind")
        self.figures = agents.figures(context.lake, context.filter)
        self.agent = self.figures.agent(context.subject, kind if kind in KINDS else None)
        code = self.agent.code if self.agent else agents.NO_AGENT
        self.which = which(context, code, limit(context))
        self.runs = Lazy(lambda: page_of_runs(context, self.figures, self.which))
        self.count = Lazy(lambda: self.figures.count(self.which))
        self.tools = Lazy(lambda: self.figures.used_by(code))


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "runs": lambda: runs_table(
            context,
            formats.plural(data.count(), "run"),
            data.runs(),
            with_agent=False,
            sortable=True,
            empty="No run is like that.",
        ),
        "tools": lambda: Table(
            "Tools",
            (
                word("Tool", lambda r: r.name, clip=True,
                     link=lambda r: context.there("/traces", step=f"execute_tool {r.name}")),
                Column("Calls", lambda r: r.calls, formats.count, bar=True),
                Column("A run", lambda r: r.calls / data.agent.runs if data.agent else None, mean),
            ),
            data.tools(),
            "Its own runs called no tool.",
            "Those that its own runs called, not those of agents below it",
        ),
    }  # fmt: skip


def _step(context: Context, data: _Data) -> str:
    return f"{KINDS[data.agent.kind]} {data.agent.name}" if data.agent else context.subject


def _plots(context: Context, data: _Data) -> Charts:
    if data.agent is None:
        return {}
    step, code = _step(context, data), data.agent.code
    return {
        "runs": lambda: run_charts.over_time(context, data.figures, step, code),
        "cost-of-run": lambda: run_charts.cost(context, data.figures, step, code),
        "calls-of-run": lambda: run_charts.distribution(context, data.figures, code),
    }


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    back = h.a(href=context.there("/agents"), class_="button small")["← All agents"]
    agent = data.agent
    if agent is None:
        longer = h.a(href=context.here(range="90d", since=None, until=None), class_="button")[
            "Look at the last 90 days"
        ]
        text = f"No run of {context.subject} began in this window with these filters."
        return [
            h.div(class_="row")[back],
            h.section(class_="card empty")[h.h2["No such agent"], h.p[text], longer],
        ]
    traces = h.a(href=context.there("/traces", step=_step(context, data)), class_="button small")
    head = h.div(class_="row")[
        back,
        h.strong[agent.name],
        h.span(class_="muted")[agent.kind],
        traces["Its traces"],
        h.span(class_="muted")[_question(context)],
    ]
    return [
        head,
        common.unknown_choice(context, "sort", ORDERS),
        figures(_cards(agent)),
        grid([
            *(common.draw(context, plots, name) for name in plots),
            common.show(context, tables, "tools"),
        ]),
        h.div(class_="row controls")[_only(context)],
        narrowed(context, data.which),
        common.show(context, tables, "runs"),
        common.part(context, "The pages", lambda: pages(context, len(data.runs()), data.count)),
    ]  # fmt: skip


def _question(context: Context) -> Any:
    """The window and the filters, which this page has no menus for."""
    window = context.filter
    filters = [f"{name} {', '.join(each)}" for name, each in described(window).items()]
    return [
        moment(window.since, formats.when(window.since)),
        " to ",
        moment(window.until, formats.when(window.until)),
        "".join(f"; {each}" for each in filters),
    ]


def _only(context: Context) -> Any:
    options = {"": "Every run", "failed": "Failed", "loops": "Loops"}
    return switch(
        "Which runs",
        {
            label: (context.here(only=name or None), context.state.get("only") == name)
            for name, label in options.items()
        },
    )


def _cards(agent: Agent) -> list[Any]:
    unpriced = formats.missing(agent.unpriced)
    return [
        figure_card(
            "Runs",
            formats.count(agent.runs),
            note=f"{formats.share(agent.failed / agent.runs)} failed ({agent.failed:,})",
        ),
        figure_card(
            "Duration, P50", formats.seconds(agent.p50), note=f"P95 {formats.seconds(agent.p95)}"
        ),
        figure_card(
            "Cost of a run",
            formats.cost(agent.run_usd, agent.unpriced),
            note=unpriced or f"{formats.cost(agent.cost_usd, agent.unpriced)} in all",
        ),
        figure_card(
            "Model calls of a run",
            mean(agent.calls),
            note=f"at most {agent.most_calls:,}; "
            f"{mean(agent.tools)} tool calls, at most {agent.most_tools:,}",
        ),
    ]


PAGE = Page(
    "/agents/",
    "Agent",
    "One agent or workflow: its runs, and the tools they called",
    _Data,
    _tables,
    _plots,
    _show,
    in_menu=False,
    needs_calls=False,
)
