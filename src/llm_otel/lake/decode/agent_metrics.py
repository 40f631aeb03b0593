"""Metrics of coding agents as the metrics of ours that they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import llm_otel
from llm_otel import semconv
from llm_otel.foreign.names.agents import METRICS
from llm_otel.lake.decode.agent_events import provider_of_agent

# An agent asks for less than this at a time. How many requests a count of tokens is made of is not
# known, and some prices depend on it.
_LONGEST_REQUEST: Final = 200_000

# A metric of ours and the label that tells the rows of a type apart -> the field of a usage.
_FIELDS: Final = {
    (semconv.TOKENS_CONSUMED.name, "input"): "input_tokens",
    (semconv.TOKENS_CONSUMED.name, "output"): "output_tokens",
    (semconv.TOKENS_CACHED.name, "read"): "cache_read_tokens",
    (semconv.TOKENS_CACHED.name, "write"): "cache_write_tokens",
    (semconv.TOKENS_REASONING.name, ""): "reasoning_tokens",
}
_LABELS: Final = {
    semconv.TOKENS_CONSUMED.name: semconv.TOKEN_TYPE,
    semconv.TOKENS_CACHED.name: semconv.CACHE,
}
_KEPT: Final = (semconv.FEATURE, semconv.TENANT_ID)


def standing_for(
    metric: str, attributes: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any], str | None]]:
    """The metrics that a point of an agent's metric counts for.

    Returns:
        Name, labels, and the field of the usage to price, None where the agent tells the cost.
    """
    told = METRICS[metric]
    model = attributes.get("model")
    labels = {name: attributes[name] for name in _KEPT if name in attributes}
    labels[semconv.OPERATION] = told.agent.operation
    provider = provider_of_agent(told.agent, model)
    known = {semconv.MODEL: model, semconv.PROVIDER: provider}
    labels |= {name: value for name, value in known.items() if value}
    kind = str(attributes.get(told.type, "")) if told.type else ""
    found = []
    for name, label in told.metrics.get(kind, ()):
        own = {_LABELS[name]: label} if name in _LABELS else {}
        found.append((name, labels | own, _FIELDS.get((name, label)) if told.priced else None))
    return found


def cost_of(provider: str | None, model: str | None, usage: Mapping[str, float]) -> float | None:
    """USD for tokens that no metric prices; None where no price is known."""
    if not model:
        return None
    counts = {name: int(count) for name, count in usage.items() if count > 0}
    requests = max(1, math.ceil(counts.get("input_tokens", 0) / _LONGEST_REQUEST))
    options = {"provider": provider} if provider else {}
    try:
        cost = llm_otel.cost(counts, model=model, requests=requests, **options)
    except (ValueError, TypeError):
        return None
    return None if cost is None else cost.total
