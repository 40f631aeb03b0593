"""How the application's own steps are counted."""

from __future__ import annotations

from typing import Any

from llm_otel import semconv
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR
from llm_otel.core.metrics.table import InstrumentTable

_STEP_NAMES = (semconv.WORKFLOW_NAME, semconv.AGENT_NAME, semconv.TOOL_NAME)


def record(
    table: InstrumentTable, metric: semconv.Metric, seconds: float, attributes: dict[str, Any]
) -> None:
    """Record how long an agent, a tool or a workflow took.

    Args:
        table: Whose instruments.
        metric: The histogram.
        seconds: How long.
        attributes: The metric's; the step's name among them is bounded in place.
    """
    for name in _STEP_NAMES:
        if name in attributes:
            attributes[name] = table.labels.fold(name, attributes[name])
    table.histogram(metric).record(seconds, table.admitted(metric, attributes), NO_EXEMPLAR)
