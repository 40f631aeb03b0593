"""One question as the lake has it: its tree over both services, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import llm_otel.lake

_SPANS = """
    SELECT s.span_id, s.parent_span_id, s.name, s.service_name, s.status, c.cost_usd
    FROM spans s LEFT JOIN calls c USING (trace_id, span_id)
    WHERE s.trace_id = ? ORDER BY s.time
"""
_COSTS = """
    SELECT service_name, count(*), sum(cost_usd) FROM calls WHERE trace_id = ?
    GROUP BY ALL ORDER BY sum(cost_usd) DESC
"""


@dataclass(frozen=True)
class Share:
    """What one service's calls of a question cost (USD)."""

    service: str
    calls: int
    cost_usd: float


def tree(folder: Path, trace_id: str) -> list[str]:
    """The spans of a trace, a line each: service, name, cost."""
    with llm_otel.lake.open(folder).connection() as lake:
        rows = lake.execute(_SPANS, [trace_id]).fetchall()
    lines: list[str] = []

    def add(parent: str | None, depth: int) -> None:
        for span_id, above, name, service, status, cost in rows:
            if above == parent:
                label = f"{'  ' * depth}{name}{'  FAILED' if status == 'error' else ''}"
                price = "" if cost is None else f"${cost:.6f}"
                lines.append(f"{service:<8}  {label:<48}{price:>10}".rstrip())
                add(span_id, depth + 1)

    add(None, 0)
    return lines


def shares(folder: Path, trace_id: str) -> list[Share]:
    """What each service's calls of a trace cost, the most expensive first."""
    with llm_otel.lake.open(folder).connection() as lake:
        return [Share(*row) for row in lake.execute(_COSTS, [trace_id]).fetchall()]
