"""`foreign.reading` reads one span as the lake reads many at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lake import random_spans

from llm_otel.foreign.reading import reading
from llm_otel.lake.decode import TRACES, from_protobuf, traces
from llm_otel.lake.decode.spans import ERROR
from llm_otel.lake.decode.values import mapping

COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
          "reasoning_tokens")  # fmt: skip


def _exception(span: Any) -> str | None:
    for event in span.events:
        if event.name == "exception":
            kind = mapping(event.attributes).get("exception.type")
            return kind if isinstance(kind, str) else None
    return None


def _spans(body: bytes) -> Iterator[Any]:
    for resource in from_protobuf(TRACES, body).resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


@pytest.mark.parametrize("seed", range(12))
def test_as_the_lake(seed: int) -> None:
    """Calls, models, providers, tokens, costs and errors of random spans of all vocabularies."""
    compared = 0
    for body in (*random_spans.own(seed), *random_spans.others(seed, changes=3)):
        spans, calls, _ = traces.decode([body], pytest.fail)
        rows = {row["span_id"]: row for row in calls.to_pylist()}
        stored = set(spans["span_id"].to_pylist())
        for span in _spans(body):
            key = span.span_id.hex()
            if key in stored:
                compared += _compare(span, rows.get(key))
    assert compared > 20


def _compare(span: Any, row: dict[str, Any] | None) -> bool:
    """Whether it is a call."""
    attributes = mapping(span.attributes)
    if attributes.get("gen_ai.agent.name", "") is None:
        return False  # an empty value, which is a name for the lake; no SDK sends one
    failed = span.status.code == ERROR
    got = reading(attributes, span.name, failed=failed, exception=_exception(span))
    assert (got is None) == (row is None), (attributes, span.name, got)
    if got is None or row is None:
        return False
    assert got.operation == row["operation"], attributes
    assert got.usage == tuple(row[name] for name in COUNTS), attributes
    if got.provider is not None:
        assert got.provider == row["provider"], attributes
    assert got.error == row["error_type"], attributes
    if row["cost_source"] != "local":
        assert got.cost_usd == row["cost_usd"], attributes
    return True
