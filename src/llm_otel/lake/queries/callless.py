"""The spans that are stored and hold no model call, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from llm_otel.foreign.names import CALLS
from llm_otel.foreign.names.reasons import why_no_call
from llm_otel.lake.queries.reader import Reader

# The name matters only where a span tells no operation; these can be many, and the rare ones wait.
_SPANS: Final = """
    SELECT coalesce(scope, '') AS scope, operation,
        CASE WHEN operation IS NULL THEN name END AS name, count(*) AS spans
    FROM {spans} WHERE operation IS NULL OR NOT list_contains($calls, operation)
    GROUP BY ALL ORDER BY spans DESC LIMIT 500
"""
_SHOWN: Final = 20


@dataclass(frozen=True)
class Callless:
    """Spans of one instrumentation that hold no model call for one reason."""

    scope: str
    why: str
    spans: int


@dataclass(frozen=True)
class _Group:
    scope: str
    operation: str | None
    name: str | None
    spans: int


def callless(reader: Reader) -> list[Callless]:
    """Most of them first."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in reader.rows(_SPANS, _Group, calls=sorted(CALLS)):
        why = why_no_call(row.operation, row.name or "")
        if why is not None:
            counts[row.scope, why] += row.spans
    return [Callless(*key, spans) for key, spans in counts.most_common(_SHOWN)]
