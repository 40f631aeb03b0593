"""Costs that are not known as a whole."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv

# The statuses of a cost that is higher than what is known of it.
LEAST: Final = frozenset({semconv.COST_INCOMPLETE, semconv.COST_UNPRICED, semconv.USAGE_UNKNOWN})
