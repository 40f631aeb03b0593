"""The sums on a workflow's or agent's span are no call: each request counts once in the lake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serving import serving

import llm_otel
import llm_otel.lake
from llm_otel.core import runtime
from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Ingest
from llm_otel.testing import Provider

QUESTION: list[Any] = [{"role": "user", "content": "Where is my order?"}]
# What LiteLLM's own callback writes onto the span that is current, and what names a span a call in
# other vocabularies.
STRANGE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 8,
    "gen_ai.usage.output_tokens": 26,
    "openinference.span.kind": "LLM",
    "traceloop.span.kind": "llm",
}


@pytest.fixture
def tracing() -> Iterator[TracerProvider]:
    """Spans go to this provider."""
    provider = TracerProvider(shutdown_on_exit=False)
    llm_otel.instrument(tracer_provider=provider, setup=False, providers={"127.0.0.1": "openai"})
    active = runtime.active()
    assert active is not None
    active.pricing.wait(30)
    yield provider
    llm_otel.uninstrument()
    provider.shutdown()


def program(p: Provider, strange: dict[str, Any]) -> None:
    """Two calls below a workflow and an agent."""
    with (
        openai.OpenAI(base_url=p.url, api_key="x") as client,
        llm_otel.workflow("w"),
    ):
        trace.get_current_span().set_attributes(strange)
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        with llm_otel.agent("a", model="gpt-4o-mini"):
            trace.get_current_span().set_attributes(strange)
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        with llm_otel.workflow():
            trace.get_current_span().set_attributes(strange)


def check(folder: Path, p: Provider) -> None:
    """The lake has two calls with what the provider billed, and the sums as attributes."""
    lake = llm_otel.lake.open(folder)
    bills = p.bill.values()
    billed = sum(b.input_tokens for b in bills), sum(b.output_tokens for b in bills)
    columns = "count(*), sum(input_tokens), sum(output_tokens), sum(cost_usd)"
    [(calls, *tokens, cost)] = lake.sql(f"SELECT {columns} FROM calls").fetchall()
    names = "SELECT name FROM spans ORDER BY time, name"
    assert (calls, *tokens) == (2, *billed), lake.sql(names).fetchall()
    steps = lake.sql(
        "SELECT name, operation, attributes FROM spans WHERE name LIKE 'invoke%' ORDER BY name"
    ).fetchall()
    assert [(name, operation) for name, operation, _ in steps] == [
        ("invoke_agent a", "invoke_agent"),
        ("invoke_workflow", "invoke_workflow"),
        ("invoke_workflow w", "invoke_workflow"),
    ]
    sums = json.loads(steps[-1][2])
    assert sums["llm_otel.total.calls"] == 2
    assert sums["llm_otel.total.cost_usd"] == pytest.approx(cost)


@pytest.mark.parametrize("strange", [{}, STRANGE], ids=["ours", "overwritten"])
@pytest.mark.parametrize("split", [lambda s: [s], lambda s: [s[::2], s[1::2]]], ids=["1", "2"])
def test_a_step_is_no_call(
    tmp_path: Path,
    tracing: TracerProvider,
    p: Provider,
    strange: dict[str, Any],
    split: Callable[[Any], list[Any]],
) -> None:
    """In one batch and in several, also where somebody made a call of the step's span."""
    exporter = InMemorySpanExporter()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    program(p, strange)
    with Ingest(tmp_path) as ingest:
        for batch in split(exporter.get_finished_spans()):
            ingest.accept(TRACES, encode_spans(batch).SerializeToString()).result(10)
            ingest.flush()
    check(tmp_path, p)


def test_served(tmp_path: Path, tracing: TracerProvider, p: Provider) -> None:
    """The same through `llm-otel serve`."""
    with serving(tmp_path) as served:
        exporter = OTLPSpanExporter(endpoint=f"{served.http}/v1/traces")
        tracing.add_span_processor(SimpleSpanProcessor(exporter))
        program(p, STRANGE)
        tracing.force_flush()
        served.stop()
    check(tmp_path, p)
