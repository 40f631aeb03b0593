"""The spans that anthropic makes itself are the same with us and without, for every way to ask."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llm_otel
from llm_otel.testing import Provider

MODEL = "claude-sonnet-5"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}
# What differs from run to run: that it is there is compared.
VOLATILE = frozenset({"gen_ai.response.time_to_first_chunk"})


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where the spans of the program's tracer provider go."""
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return spans


@pytest.fixture
def uninstrumented() -> Iterator[None]:
    yield
    llm_otel.uninstrument()


# ------------------------------------------------------------------ ways to ask
def whole(client: Any) -> None:
    client.messages.create(**ASK)


def stream(client: Any) -> None:
    list(client.messages.create(**ASK, stream=True))


def beta(client: Any) -> None:
    list(client.beta.messages.create(**ASK, stream=True))


def helper(client: Any) -> None:
    with client.messages.stream(**ASK) as events:
        events.get_final_message()


def helper_left(client: Any) -> None:
    with client.messages.stream(**ASK) as events:
        next(iter(events))


def texts(client: Any) -> None:
    with client.messages.stream(**ASK) as events:
        list(events.text_stream)


def raw(client: Any) -> None:
    list(client.messages.with_raw_response.create(**ASK, stream=True).parse())


def streaming(client: Any) -> None:
    with client.messages.with_streaming_response.create(**ASK) as response:
        response.parse()


def streaming_bytes(client: Any) -> None:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        list(response.iter_bytes())


def streaming_lines_left(client: Any) -> None:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        next(iter(response.iter_lines()))


def left(client: Any) -> None:
    for _ in client.messages.create(**ASK, stream=True):
        break
    gc.collect()


def closed(client: Any) -> None:
    client.messages.create(**ASK, stream=True).close()


def with_block(client: Any) -> None:
    with client.messages.create(**ASK, stream=True) as events:
        next(iter(events))


SYNC = (
    whole, stream, beta, helper, helper_left, texts, raw, streaming, streaming_bytes,
    streaming_lines_left, left, closed, with_block,
)  # fmt: skip


async def whole_async(client: Any) -> None:
    await client.messages.create(**ASK)


async def stream_async(client: Any) -> None:
    async for _ in await client.messages.create(**ASK, stream=True):
        pass


async def helper_async(client: Any) -> None:
    async with client.messages.stream(**ASK) as events:
        await events.get_final_message()


async def helper_left_async(client: Any) -> None:
    async with client.messages.stream(**ASK) as events:
        async for _ in events:
            break


async def raw_async(client: Any) -> None:
    response = await client.messages.with_raw_response.create(**ASK, stream=True)
    async for _ in await response.parse():
        pass


async def streaming_bytes_async(client: Any) -> None:
    create = client.messages.with_streaming_response.create
    async with create(**ASK, stream=True) as response:
        async for _ in response.iter_bytes():
            pass


async def closed_async(client: Any) -> None:
    events = await client.messages.create(**ASK, stream=True)
    await events.close()


ASYNC = (
    whole_async, stream_async, helper_async, helper_left_async, raw_async, streaming_bytes_async,
    closed_async,
)  # fmt: skip


def ask(way: Any, p: Provider, fault: str | None) -> None:
    """Run a program once; the local provider answers as in every run."""
    p.reset()
    if fault is not None:
        p.enqueue(fault)
    arguments: dict[str, Any] = {"base_url": p.origin, "api_key": "test", "max_retries": 0}
    try:
        if way in ASYNC:

            async def program() -> None:
                async with anthropic.AsyncAnthropic(**arguments) as client:
                    await way(client)

            asyncio.run(program())
        else:
            with anthropic.Anthropic(**arguments) as client:
                way(client)
    except (anthropic.APIError, httpx2.HTTPError):
        pass


def seen(exporter: InMemorySpanExporter) -> list[tuple[Any, ...]]:
    """All that the SDK's spans tell, and that does not differ from run to run."""
    gc.collect()
    told = []
    for span in exporter.get_finished_spans():
        assert span.instrumentation_scope is not None
        if span.instrumentation_scope.name == "llm_otel":
            continue
        attributes = dict(span.attributes or {})
        attributes.update(dict.fromkeys(VOLATILE & attributes.keys(), 0))
        events = [(event.name, sorted(event.attributes or {})) for event in span.events]
        told.append(
            (span.name, span.kind, span.status.status_code, span.status.description, attributes,
             events, span.instrumentation_scope.name)
        )  # fmt: skip
    exporter.clear()
    return told


@pytest.mark.usefixtures("uninstrumented")
@pytest.mark.parametrize("fault", [None, "rate_limit", "stream_error", "truncated"])
@pytest.mark.parametrize("way", [*SYNC, *ASYNC], ids=lambda way: way.__name__)
def test_they_are_as_without_us(
    exporter: InMemorySpanExporter, p: Provider, way: Any, fault: str | None
) -> None:
    """One native span a call, with the very attributes, status and events."""
    ask(way, p, fault)
    without = seen(exporter)
    assert len(without) == 1, without
    llm_otel.instrument(setup=False, providers={"127.0.0.1": "anthropic"})
    ask(way, p, fault)
    assert seen(exporter) == without


@pytest.mark.parametrize("first", ["instrument", "provider"])
@pytest.mark.parametrize(
    "way", [whole, stream, helper, raw, stream_async], ids=lambda w: w.__name__
)
def test_calls_are_counted_once(
    p: Provider, monkeypatch: pytest.MonkeyPatch, way: Any, first: str
) -> None:
    """Whoever comes first, the program's tracer provider or `instrument()`."""
    with llm_otel.testing.capture(providers={"127.0.0.1": "anthropic"}, setup=False) as telemetry:
        mine = TracerProvider(shutdown_on_exit=False)
        if first == "instrument":
            ask(way, p, None)
            p.reset()
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", mine)
        before = telemetry.count("gen_ai.request.duration")
        spent = telemetry.value("gen_ai.tokens.consumed")
        cost = telemetry.value("gen_ai.cost.usd")
        ask(way, p, None)
        bill = p.bill[MODEL]
        used = bill.input_tokens + bill.output_tokens
        assert telemetry.count("gen_ai.request.duration") - before == 1
        assert telemetry.value("gen_ai.tokens.consumed") - spent == used
        dollars = (bill.input_tokens * 2 + bill.output_tokens * 10) / 1e6
        assert telemetry.value("gen_ai.cost.usd") - cost == pytest.approx(dollars)
