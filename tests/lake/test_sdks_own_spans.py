"""A call of an SDK that makes spans of its own is one call in the lake, with all that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import anthropic
import pytest
import xai_sdk
from azure.ai.inference.tracing import AIInferenceInstrumentor
from azure.core.settings import settings
from clients import azure__ai__inference as azure
from conformance.xai_server import MODEL as GROK
from conformance.xai_server import Server, completion, serving, usage
from hostile.harness import drive, each, entered, wait
from mistralai.client import Mistral
from mistralai.extra.observability.telemetry import configure_telemetry
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
from llm_otel.testing.provider import mistral_conversations

ASK: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}


together = pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])


def calls_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    provider_name: str,
    program: Callable[[], None],
    together: bool,
) -> list[dict[str, Any]]:
    """The lake's calls of a program in whose process both make spans."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    llm_otel.instrument(setup=False, providers={"127.0.0.1": provider_name})
    try:
        active = runtime.active()
        assert active is not None
        active.pricing.wait(30)
        with llm_otel.attribution(tenant_id="acme"):
            program()
    finally:
        llm_otel.uninstrument()
    spans = exporter.get_finished_spans()
    scopes = {span.instrumentation_scope.name for span in spans if span.instrumentation_scope}
    # Theirs alone where it is open when the client is called.
    assert scopes - {"llm_otel"}, scopes
    with Ingest(tmp_path) as ingest:
        for batch in [spans] if together else [spans[::2], spans[1::2]]:
            ingest.accept(TRACES, encode_spans(batch).SerializeToString()).result(10)
            ingest.flush()
    rows: list[dict[str, Any]] = llm_otel.lake.open(tmp_path).calls().to_arrow_table().to_pylist()
    assert {row["tenant_id"] for row in rows} == {"acme"}
    assert {row["provider"] for row in rows} == {provider_name}
    return rows


@together
def test_anthropic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p: llm_otel.testing.Provider, together: bool
) -> None:
    """Both spans are there; the call is counted once, with the cost and the tenant of ours."""

    def program() -> None:
        with anthropic.Anthropic(base_url=p.origin, api_key="test") as client:
            client.messages.create(**ASK)
            list(client.messages.create(**ASK, stream=True))

    rows = calls_of(tmp_path, monkeypatch, "anthropic", program, together)
    bill = p.bill["claude-sonnet-5"]
    assert len(rows) == 2
    assert sum(row["input_tokens"] for row in rows) == bill.input_tokens
    assert sum(row["output_tokens"] for row in rows) == bill.output_tokens
    cost = (bill.input_tokens * 2 + bill.output_tokens * 10) / 1e6
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(cost)


MODEL = "mistral-small-latest"
QUESTION: dict[str, Any] = {"model": MODEL, "messages": ASK["messages"]}
PDF = {"type": "document_url", "document_url": "https://documents.example/1.pdf"}
MISTRAL: dict[str, Callable[[Mistral], object]] = {
    "chat": lambda client: client.chat.complete(**QUESTION),
    "chat stream": lambda client: list(client.chat.stream(**QUESTION)),
    "fill in": lambda client: client.fim.complete(model=MODEL, prompt="def f("),
    "embeddings": lambda client: client.embeddings.create(model="mistral-embed", inputs=["Hi"]),
    "OCR": lambda client: client.ocr.process(model="mistral-ocr-latest", document=PDF),
    "conversation": lambda client: client.beta.conversations.start(model=MODEL, inputs="Hi"),
}


@together
@pytest.mark.parametrize("name", MISTRAL)
def test_mistral(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    p: llm_otel.testing.Provider,
    together: bool,
    name: str,
) -> None:
    """The same, whatever the SDK calls the operation."""
    # The SDK makes spans of what a conversation's entries tell, and of when.
    now = datetime.now(timezone.utc).isoformat()
    monkeypatch.setattr(mistral_conversations, "_AT", now)

    def program() -> None:
        with Mistral(api_key="test", server_url=p.origin) as client:
            configure_telemetry(client, provider="global")
            MISTRAL[name](client)

    (row,) = calls_of(tmp_path, monkeypatch, "mistral_ai", program, together)
    (bill,) = p.bill.values()
    assert (row["input_tokens"] or 0) == bill.input_tokens
    assert (row["output_tokens"] or 0) == bill.output_tokens
    assert row["cost_usd"] > 0


@together
def test_xai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool) -> None:
    """The same; the SDK's span leaves out the reasoning, and the cost is what xAI reports."""
    answer = completion("Hello", used=usage(cost_in_usd_ticks=20_000_000))

    def program() -> None:
        # The SDK takes its tracer when it is imported.
        tracer = trace.get_tracer("xai_sdk.sync.chat")
        monkeypatch.setattr(xai_sdk.sync.chat, "tracer", tracer)
        with (
            serving(Server(answers=[answer])) as server,
            xai_sdk.Client(**server.options()) as client,
        ):
            chat = client.chat.create(GROK, messages=[user("The prompt.")])
            chat.sample()
            list(chat.stream())

    rows = calls_of(tmp_path, monkeypatch, "x_ai", program, together)
    told = {
        (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"], row["cost_usd"],
         row["cost_source"])
        for row in rows
    }  # fmt: skip
    assert told == {(1000, 80, 30, 0.002, "provider")}, rows
    assert len(rows) == 2


@pytest.fixture
def azure_instrumentor() -> Iterator[AIInferenceInstrumentor]:
    """What makes the spans of Azure's SDK, besides those of its HTTP requests."""
    settings.tracing_implementation = "opentelemetry"
    instrumentor = AIInferenceInstrumentor()
    yield instrumentor
    instrumentor.uninstrument()
    settings.tracing_implementation = None


@together
@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", ["chat", "chat stream", "embeddings"])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_azure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    p: llm_otel.testing.Provider,
    azure_instrumentor: AIInferenceInstrumentor,
    together: bool,
    first: str,
    asynchronous: bool,
    name: str,
) -> None:
    """The same, whoever was first; of HTTP requests and embeddings it tells no tokens."""
    (way,) = (each for each in azure.CLIENT.ways if each.name == name)
    # Its own asynchronous stream fails at a chunk without a choice, which is that of the usage.
    counted = not (way.streaming and asynchronous)
    ask = way.ask if counted else lambda client: azure._ask(client, stream=True)

    async def request() -> None:
        async with entered(azure.CLIENT.make(p, asynchronous)) as client:
            answer = await wait(ask(client))
            if way.streaming:
                assert [chunk async for chunk in each(answer)]

    def program() -> None:
        if first == "ours":
            azure_instrumentor.instrument()
        if asynchronous:
            asyncio.run(request())
        else:
            drive(request())

    if first == "theirs":
        azure_instrumentor.instrument()
    (row,) = calls_of(tmp_path, monkeypatch, "azure.ai.inference", program, together)
    (bill,) = p.bill.values()
    assert row["status"] == "ok"
    assert row["finish_reasons"] == (None if name == "embeddings" else ["stop"])
    if counted:
        assert row["input_tokens"] == bill.input_tokens
        assert (row["output_tokens"] or 0) == bill.output_tokens
        assert row["cost_usd"] > 0
