"""How the application's own steps are counted."""

from __future__ import annotations

from typing import Any

from llm_otel import semconv
from llm_otel.core.metrics.table import InstrumentTable

_BOUNDED = (
    semconv.WORKFLOW_NAME,
    semconv.AGENT_NAME,
    semconv.TOOL_NAME,
    semconv.STEP,
    semconv.FEATURE,
    semconv.TENANT_ID,
)


def record(
    table: InstrumentTable, metric: semconv.Metric, value: float, attributes: dict[str, Any]
) -> None:
    """Record how long an agent, a tool or a workflow took, or what it came to.

    Args:
        table: Whose instruments.
        metric: The histogram.
        value: In the metric's unit.
        attributes: The metric's; names of steps and the attribution are bounded in place.
    """
    for name in _BOUNDED:
        if name in attributes:
            attributes[name] = table.labels.fold(name, attributes[name])
    table.record(metric, value, attributes)
