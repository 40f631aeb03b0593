"""One call of `instrument()` makes every LLM call of a process visible: span, metrics, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel.attribution import attribution, propagate
from llm_otel.caching import cached
from llm_otel.calls import call, current_call
from llm_otel.core.rollup.sums import Totals, current_totals
from llm_otel.errors import ConfigError
from llm_otel.evaluation import score
from llm_otel.lifecycle import cost, flush, instrument, uninstrument
from llm_otel.outcomes import outcome
from llm_otel.settings import Settings
from llm_otel.spans import agent, embedding, retrieval, tool, workflow
from llm_otel.usage import Usage
from llm_otel.version import __version__

if TYPE_CHECKING:
    from llm_otel.sdk.attribution import AttributionSpanProcessor

__all__ = [
    "AttributionSpanProcessor",
    "ConfigError",
    "Settings",
    "Totals",
    "Usage",
    "__version__",
    "agent",
    "attribution",
    "cached",
    "call",
    "cost",
    "current_call",
    "current_totals",
    "embedding",
    "flush",
    "instrument",
    "outcome",
    "propagate",
    "retrieval",
    "score",
    "tool",
    "uninstrument",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """Load what needs OpenTelemetry's SDK when it is used: `import llm_otel` stays light."""
    if name == "AttributionSpanProcessor":
        from llm_otel.sdk.attribution import AttributionSpanProcessor

        return AttributionSpanProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
