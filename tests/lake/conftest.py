"""What several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lake import samples
from lake.samples import Rows, Store

import llm_otel.lake
from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Ingest


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Put spans through the whole way into a lake; gives their rows in calls and in spans."""
    path = tmp_path_factory.mktemp("lake")
    with Ingest(path) as ingest:
        lake = llm_otel.lake.open(path)
        seeds = iter(range(10_000))

        def stored(*attributes: dict[str, Any], **fields: Any) -> tuple[Rows, Rows]:
            request = samples.spans(*attributes, seed=next(seeds), **fields)
            trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
            ingest.accept(TRACES, request.SerializeToString()).result(10)
            ingest.flush()
            return tuple(  # type: ignore[return-value]
                lake.sql(f"SELECT * FROM {name} WHERE trace_id = ?", [trace_id])
                .to_arrow_table()
                .to_pylist()
                for name in ("calls", "spans")
            )

        yield stored
