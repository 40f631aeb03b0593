"""How the money is counted that answers from the program's own cache saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.core.metrics.table import InstrumentTable

if TYPE_CHECKING:
    from llm_otel.pricing import Cost


def saved(table: InstrumentTable, labels: Mapping[str, str], cost: Cost | None) -> None:
    """Count what one answer saved.

    Args:
        table: Whose instruments.
        labels: Those of calls, as the program says them.
        cost: What the call would have cost; None counts the saving as unknown.
    """
    folded = {
        name: value if name == semconv.OPERATION else table.labels.fold(name, value)
        for name, value in labels.items()
    }
    if cost is None or cost.incomplete:
        metric = semconv.SAVED_UNKNOWN_TOTAL
        table.count(metric, 1, **{name: folded[name] for name in metric.labels})
    if cost is not None and cost.total:
        table.count(semconv.COST_SAVED, cost.total, **folded)
