"""The alerts on agents and their tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus.alert import Alert, Condition
from llm_otel.stack.prometheus.promql import SOURCE, label, observed, quantile

AGENT: Final = label(semconv.AGENT_NAME)
TOOL: Final = label(semconv.TOOL_NAME)
# A tool that was cancelled has not failed: who called it gave up.
FAILED: Final = f'{label(semconv.ERROR_TYPE)}!="", {label(semconv.ERROR_TYPE)}!~".*CancelledError"'

_LLM: Final = "llm"


def _loops(_: Config, limits: Limits) -> Condition:
    metric, window = semconv.INVOKE_AGENT_INFERENCE_CALLS, str(limits.window)
    return Condition(quantile(1, metric, window, (*SOURCE, AGENT)))


def _failures(_: Config, limits: Limits) -> Condition:
    metric, window, by = semconv.EXECUTE_TOOL_DURATION, str(limits.window), (*SOURCE, TOOL)
    calls = f"({observed(metric, window, by)})"
    failures = f"({observed(metric, window, by, FAILED)})"
    return Condition(
        f"({failures} or 0 * {calls})\n/ ({calls} > 0)", (f"{calls} >= {limits.minimum:g}",)
    )


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        key="agent_loops",
        name="LLMAgentLooping",
        component=_LLM,
        panel=panels.AGENT_CALLS,
        limits=Limits("calls", warning=32, critical=128, window="15m", for_="0s"),
        summary=f"{{service_name}}: the agent {{{AGENT}}} [makes|made] up to {{value}} in one run",
        description=(
            "A run that ended in {window} asked models that often, rounded up to 1, 2, 4 … 1,024."
            " What agents inside it asked is theirs."
        ),
        condition=_loops,
        shows_levels=True,
    ),
    Alert(
        key="tool_failures",
        name="LLMToolFailing",
        component=_LLM,
        panel=panels.TOOL_FAILURES,
        limits=Limits(
            "share",
            warning=0.2,
            critical=0.5,
            window="10m",
            minimum=20,
            minimum_unit="tool calls",
        ),
        summary=f"{{service_name}}: {{value}} of the calls of the tool {{{TOOL}}} [fail|failed]",
        description="The tool raised an exception. This is of at least {minimum} in {window}.",
        condition=_failures,
        shows_levels=True,
    ),
)
