"""The row about agents, workflows and tools on the home dashboard."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.semconv import INCOMPLETE, OPERATION, STEP
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana.model import Panel, Query
from llm_otel.stack.grafana.promql import mean, observed, raw_quantile, share, top
from llm_otel.stack.grafana.style import graph
from llm_otel.stack.grafana.tables import Column, table
from llm_otel.stack.prometheus import alerts
from llm_otel.stack.prometheus.agents import AGENT, FAILED, TOOL
from llm_otel.stack.prometheus.promql import label

_NO_AGENTS: Final = "No runs of agents"
_NO_TOOLS: Final = "No calls of tools"
_ANY_ERROR: Final = f'{label(semconv.ERROR_TYPE)}!=""'
_WHOLE: Final = f'{INCOMPLETE}=""'


def agents(config: Config) -> tuple[Panel, ...]:
    """How often agents run, for how long, how often each run asks, what fails, what it costs."""
    return (_runs(), _durations(), _calls(config), _failures(config), _costs(), _by_agent())


def _runs() -> Panel:
    return graph(
        "Agent runs",
        "Runs of agents that ended in each bar, five minutes or wider.",
        Query(
            top(observed(semconv.INVOKE_AGENT_DURATION, "$__interval", [AGENT])), f"{{{{{AGENT}}}}}"
        ),
        unit="short",
        style="bars",
        calcs=("sum", "max"),
        interval="5m",
        nothing=_NO_AGENTS,
    )


def _durations() -> Panel:
    duration = raw_quantile("$percentile", semconv.INVOKE_AGENT_DURATION, "15m", [AGENT])
    return graph(
        "Duration of a run by agent, ${percentile:text}",
        "How long runs that ended in 15m took, of the slowest agents.",
        Query(top(duration, "max"), f"{{{{{AGENT}}}}}"),
        unit="s",
        nothing=_NO_AGENTS,
    )


def _calls(config: Config) -> Panel:
    over = alerts.of_panel(panels.AGENT_CALLS).window_in(config)
    most = raw_quantile(1, semconv.INVOKE_AGENT_INFERENCE_CALLS, over, [AGENT])
    return graph(
        "Most model calls in a run by agent",
        f"How often the longest run that ended in {over} asked models, rounded up to 1, 2, 4, 8 … "
        "1,024; of agents inside it without theirs. Dashed where the alert warns and pages.",
        Query(top(most, "max"), f"{{{{{AGENT}}}}}"),
        unit="short",
        nothing=_NO_AGENTS,
        pin=panels.AGENT_CALLS,
    )


def _failures(config: Config) -> Panel:
    metric = semconv.EXECUTE_TOOL_DURATION
    over = alerts.of_panel(panels.TOOL_FAILURES).window_in(config)
    calls, failures = (observed(metric, over, [TOOL], *more) for more in ((), (FAILED,)))
    return graph(
        "Failing tools",
        f"Share of the calls of each tool in {over} that raised an exception, cancelled ones left "
        "out. Dashed where the alert warns and pages.",
        Query(top(share(failures, calls), "max"), f"{{{{{TOOL}}}}}"),
        unit="percentunit",
        nothing=_NO_TOOLS,
        pin=panels.TOOL_FAILURES,
    )


def _costs() -> Panel:
    cost = mean(semconv.RUN_COST, "1h", (OPERATION, STEP), _WHOLE)
    return graph(
        "Cost of a run",
        "Mean USD that the calls in one run of a workflow or agent cost together, of the hour "
        "before each point. What agents inside it cost is in it. Runs whose cost is not known in "
        "full are left out.",
        Query(top(cost, "max"), f"{{{{{OPERATION}}}}} {{{{{STEP}}}}}"),
        unit="currencyUSD",
        style="lines",
        nothing="No runs of workflows or agents",
    )


def _by_agent() -> Panel:
    """Cost has another label for the agent's name, so that it stands in a graph of its own."""
    runs = observed(semconv.INVOKE_AGENT_DURATION, "$__range", [AGENT])
    failed = observed(semconv.INVOKE_AGENT_DURATION, "$__range", [AGENT], _ANY_ERROR)
    return table(
        "Agents",
        "Runs in the time range, the share that raised an exception, and the means of a run.",
        {AGENT: "Agent"},
        Column("Runs", runs, "locale", 0, bar=True, total=True),
        Column("Failed", share(failed, runs), "percentunit", 1),
        Column("Duration", mean(semconv.INVOKE_AGENT_DURATION, "$__range", [AGENT]), "s"),
        Column(
            "Model calls",
            mean(semconv.INVOKE_AGENT_INFERENCE_CALLS, "$__range", [AGENT]),
            "short",
            1,
        ),
        Column(
            "Tool calls", mean(semconv.INVOKE_AGENT_TOOL_CALLS, "$__range", [AGENT]), "short", 1
        ),
        nothing=_NO_AGENTS,
    )
