"""A program with another instrumentation or a framework beside llm-otel; prints what came of it.

    python program.py PEER ours-first|peer-first|peer-alone URL FILE

It asks the local provider at URL and writes the spans (OTLP) into FILE. The last line that it
prints is JSON: the sums of the metrics, each span with its scope, and what llm-otel logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{sys.argv[4]}.db"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
os.environ["OTEL_METRICS_EXPORTER"] = os.environ["OTEL_TRACES_EXPORTER"] = "none"

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llm_otel
from llm_otel.core import runtime

ASKS = sys.argv[2] != "peer-alone"
QUESTION: Any = [{"role": "user", "content": "Where is Karlstejn?"}]
MODEL = "gpt-4o-mini"

# Whether the calls that spans tell of are counted.
COUNTS_SPANS = "SPAN_METRICS" in os.environ

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()


# ------------------------------------------------------------------ peers
def _openinference(_provider: Any) -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def _openllmetry(_provider: Any) -> None:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def _genai(_provider: Any) -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def _logfire(_provider: Any) -> None:
    import logfire

    logfire.instrument_openai()


def _logfire_sampled_out(provider: Any) -> None:
    _logfire(provider)


def _langfuse(_provider: Any) -> None:
    import langfuse
    import langfuse.openai

    langfuse.Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9")


def _mlflow(_provider: Any) -> None:
    import mlflow

    mlflow.openai.autolog()


def _pydantic_ai(_provider: Any) -> None:
    from pydantic_ai import Agent

    Agent.instrument_all()


PEERS: dict[str, Callable[[Any], None]] = {
    "openinference": _openinference,
    "openllmetry": _openllmetry,
    "genai-openai": _genai,
    "logfire": _logfire,
    "logfire-sampled-out": _logfire_sampled_out,
    "langfuse": _langfuse,
    "mlflow": _mlflow,
    "mlflow-merged": _mlflow,
    "pydantic-ai": _pydantic_ai,
    "none": lambda _provider: None,
}


def _exporter() -> SpanExporter:
    return llm_otel.priced(exporter) if COUNTS_SPANS else exporter


def _provider(peer: str) -> Any:
    """The tracer provider of the program: Logfire wants to make it itself."""
    if peer.startswith("logfire"):
        import logfire

        sampling = logfire.SamplingOptions(head=0.0 if peer.endswith("out") else 1.0)
        logfire.configure(
            send_to_logfire=False,
            console=False,
            sampling=sampling,
            additional_span_processors=[
                *([llm_otel.SpanMetrics()] if COUNTS_SPANS else []),
                SimpleSpanProcessor(_exporter()),
            ],
            metrics=logfire.MetricsOptions(additional_readers=[reader]),
        )
        return trace.get_tracer_provider()
    if peer == "mlflow-merged":
        provider = _provider_of_mlflow()
    else:
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    if COUNTS_SPANS:
        provider.add_span_processor(llm_otel.SpanMetrics())
    provider.add_span_processor(SimpleSpanProcessor(_exporter()))
    return provider


def _provider_of_mlflow() -> Any:
    """The one that MLflow makes the program's with its first span."""
    os.environ["MLFLOW_USE_DEFAULT_TRACER_PROVIDER"] = "false"
    import mlflow

    with mlflow.start_span("first"):
        pass
    return trace.get_tracer_provider()


# ------------------------------------------------------------------ requests
def _openai_requests(url: str) -> None:
    import openai

    client = openai.OpenAI(base_url=url, api_key="test", max_retries=0)
    client.chat.completions.create(model=MODEL, messages=QUESTION)
    asking = {"stream_options": {"include_usage": True}}
    # Nobody asks for a stream's usage where llm-otel is not there.
    unasked = {} if ASKS else asking
    for options in (unasked, asking):
        for _ in client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, **options
        ):
            pass
    client.responses.create(model=MODEL, input="Where?")
    for _ in client.responses.create(model=MODEL, input="Where?", stream=True):
        pass
    client.embeddings.create(model="text-embedding-3-small", input="Karlstejn")
    try:
        client.chat.completions.create(model="bad-model", messages=QUESTION)
    except openai.APIStatusError:
        pass

    async def asynchronous() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="test") as other:
            await other.chat.completions.create(model=MODEL, messages=QUESTION)
            async for _ in await other.chat.completions.create(
                model=MODEL, messages=QUESTION, stream=True, **unasked
            ):
                pass

    asyncio.run(asynchronous())


def _pydantic_ai_requests(url: str) -> None:
    import openai
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="test") as client:
            model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))
            agent = Agent(model)
            await agent.run("Where is Karlstejn?")
            async with agent.run_stream("Where is Karlstejn?") as answer:
                await answer.get_output()

    asyncio.run(run())


REQUESTS: dict[str, Callable[[str], None]] = {"pydantic-ai": _pydantic_ai_requests}


# ------------------------------------------------------------------ what came of it
def _sums() -> dict[str, float]:
    found: dict[str, float] = {}
    data = reader.get_metrics_data()
    for of_resource in data.resource_metrics if data else ():
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for point in metric.data.data_points:
                    labels = dict(point.attributes or {})
                    histogram = hasattr(point, "count")
                    value = point.count if histogram else point.value
                    if histogram and metric.name.endswith("token.usage"):
                        value = point.sum
                    for kind in ("token_type", "gen_ai.token.type", "error_type"):
                        name = f"{metric.name} {labels[kind]}" if kind in labels else None
                        if name:
                            found[name] = found.get(name, 0) + value
                    found[metric.name] = found.get(metric.name, 0) + value
                    for kind in ("tenant_id", "feature"):
                        if kind in labels:
                            found[f"{metric.name} {labels[kind]}"] = (
                                found.get(f"{metric.name} {labels[kind]}", 0) + value
                            )
    return found


def main() -> None:
    peer, order, url, file = sys.argv[1:]
    logs: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logs.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("llm_otel").addHandler(handler)
    provider = _provider(peer)
    starts = [lambda: PEERS[peer](provider)]
    if order != "peer-alone":
        ours = lambda: llm_otel.instrument(  # noqa: E731
            setup=False, providers={"127.0.0.1": "openai"}, stream_usage="always"
        )
        starts.insert(0 if order == "ours-first" else 1, ours)
    for start in starts:
        start()
    runtime.get().pricing.start()
    runtime.get().pricing.wait(30)
    with (
        llm_otel.attribution(tenant_id="acme", feature="travel"),
        llm_otel.workflow("answer"),
    ):
        REQUESTS.get(peer, _openai_requests)(url)
    sums = _sums()
    spans = exporter.get_finished_spans()
    Path(file).write_bytes(encode_spans(spans).SerializeToString())
    rows = [
        {
            "name": span.name,
            "scope": span.instrumentation_scope.name if span.instrumentation_scope else None,
            "attributes": dict(span.attributes or {}),
        }
        for span in spans
    ]
    print(json.dumps({"sums": sums, "spans": rows, "logs": logs}, default=str))


main()
