"""A call of an SDK that makes spans of its own is one call in the lake, with all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anthropic
import pytest
import xai_sdk
from conformance.xai_server import MODEL, Server, completion, serving, usage
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from xai_sdk.chat import user

import llm_otel
from llm_otel.core import runtime
from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Ingest

ASK: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_anthropic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p: llm_otel.testing.Provider, together: bool
) -> None:
    """Both spans are there; the call is counted once, with the cost and the tenant of ours."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    llm_otel.instrument(setup=False, providers={"127.0.0.1": "anthropic"})
    try:
        active = runtime.active()
        assert active is not None
        active.pricing.wait(30)
        with (
            anthropic.Anthropic(base_url=p.origin, api_key="test") as client,
            llm_otel.attribution(tenant_id="acme"),
        ):
            client.messages.create(**ASK)
            list(client.messages.create(**ASK, stream=True))
    finally:
        llm_otel.uninstrument()
    spans = exporter.get_finished_spans()
    assert len(spans) == 4, [span.name for span in spans]
    rows = calls_of(spans, tmp_path, together)
    bill = p.bill["claude-sonnet-5"]
    assert len(rows) == 2
    assert sum(row["input_tokens"] for row in rows) == bill.input_tokens
    assert sum(row["output_tokens"] for row in rows) == bill.output_tokens
    cost = (bill.input_tokens * 2 + bill.output_tokens * 10) / 1e6
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(cost)
    assert {row["tenant_id"] for row in rows} == {"acme"}
    assert {row["provider"] for row in rows} == {"anthropic"}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_xai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool) -> None:
    """The same; the SDK's span leaves out the reasoning, and the cost is what xAI reports."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(xai_sdk.sync.chat, "tracer", provider.get_tracer("xai_sdk.sync.chat"))
    answer = completion("Hello", used=usage(cost_in_usd_ticks=20_000_000))
    llm_otel.instrument(setup=False)
    try:
        with (
            serving(Server(answers=[answer])) as server,
            xai_sdk.Client(**server.options()) as client,
            llm_otel.attribution(tenant_id="acme"),
        ):
            chat = client.chat.create(MODEL, messages=[user("The prompt.")])
            chat.sample()
            list(chat.stream())
    finally:
        llm_otel.uninstrument()
    spans = exporter.get_finished_spans()
    assert len(spans) == 4, [span.name for span in spans]
    rows = calls_of(spans, tmp_path, together)
    told = {
        (row["provider"], row["tenant_id"], row["input_tokens"], row["output_tokens"],
         row["reasoning_tokens"], row["cost_usd"], row["cost_source"])
        for row in rows
    }  # fmt: skip
    assert told == {("x_ai", "acme", 1000, 80, 30, 0.002, "provider")}, rows
    assert len(rows) == 2


def calls_of(spans: Sequence[Any], place: Path, together: bool) -> list[dict[str, Any]]:
    """The calls of a lake that got spans, inner and outer ones in one batch or in two."""
    with Ingest(place) as ingest:
        for batch in [spans] if together else [spans[::2], spans[1::2]]:
            ingest.accept(TRACES, encode_spans(batch).SerializeToString()).result(10)
            ingest.flush()
    rows: list[dict[str, Any]] = llm_otel.lake.open(place).calls().to_arrow_table().to_pylist()
    return rows
