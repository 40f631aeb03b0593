"""Other instrumentations, suppression and switched-off SDKs."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import wrapt
from openai.resources.chat.completions import Completions
from openai.resources.responses import Responses
from opentelemetry import context, trace
from opentelemetry.context import attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from otlp_receiver import OtlpReceiver
from programs import run

import llm_otel
from llm_otel.testing import Provider, Telemetry, capture

QUESTION: Any = [{"role": "user", "content": "Hi"}]


def _call(p: Provider) -> None:
    client = openai.OpenAI(base_url=p.url, api_key="test")
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """What instrumented code emits; the local provider priced as OpenAI."""
    with capture(providers={"127.0.0.1": "openai"}) as got:
        yield got


@pytest.fixture
def rival(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that wraps the client as a well-known instrumentation does."""
    return _rival(monkeypatch, Completions, "create")


def _rival(monkeypatch: pytest.MonkeyPatch, owner: type, *methods: str) -> str:
    name = "openinference.instrumentation.openai._request"
    module = types.ModuleType(name)
    exec(
        "def wrapper(wrapped, instance, args, kwargs):\n    return wrapped(*args, **kwargs)\n",
        module.__dict__,
    )
    monkeypatch.setitem(sys.modules, name, module)
    for method in methods:
        wrapped = wrapt.FunctionWrapper(getattr(owner, method), module.wrapper)
        monkeypatch.setattr(owner, method, wrapped)
    return name


def test_a_rival_keeps_its_span_and_we_add_metrics(
    p: Provider, telemetry: Telemetry, rival: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No second span, one warning for many calls, metrics and cost all the same; what the rival
    does not cover has our span."""
    with caplog.at_level(logging.WARNING, "llm_otel"):
        _call(p)
        _call(p)
        openai.OpenAI(base_url=p.url, api_key="test").moderations.create(input="Hi")
    assert telemetry.count("gen_ai.request.duration", operation="chat") == 2
    assert telemetry.value("gen_ai.cost.usd") > 0
    assert telemetry.value("gen_ai.requests.active") == 0
    assert [span.name for span in telemetry.spans] == ["moderation"]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert rival in warnings[0]


def test_a_rival_that_sees_polls_keeps_their_spans_too(
    p: Provider, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wraps `retrieve` beside `create`: neither gets a second span."""
    _rival(monkeypatch, Responses, "create", "retrieve")
    client = openai.OpenAI(base_url=p.url, api_key="test")
    made = client.responses.create(model="gpt-4o", input="Hi")
    client.responses.retrieve(made.id)
    assert [span.name for span in telemetry.spans] == []
    assert telemetry.count("gen_ai.request.duration", operation="fetch_response") == 1


def test_a_wrapper_of_the_applications_own_is_no_rival(
    p: Provider, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries, caches and the like around the client change nothing."""

    def retrying(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapped = wrapt.FunctionWrapper(Completions.create, retrying)
    monkeypatch.setattr(Completions, "create", wrapped)
    _call(p)
    assert telemetry.span.name == "chat gpt-4o"


def test_an_outer_genai_span_is_not_doubled(p: Provider, telemetry: Telemetry) -> None:
    """The context key of other GenAI instrumentations: the outer span is the call's."""
    key = "opentelemetry.genai.client.inference.context"
    outer = TracerProvider().get_tracer("outer").start_span("chat gpt-4o")
    token = attach(set_value(key, object(), trace.set_span_in_context(outer)))
    try:
        _call(p)
    finally:
        detach(token)
    assert telemetry.spans == []
    assert telemetry.count("gen_ai.request.duration") == 1
    (exemplar,) = telemetry.exemplars("gen_ai.request.duration")
    assert exemplar.span_id == format(outer.get_span_context().span_id, "016x")


def test_suppressed_calls_are_not_seen(p: Provider, telemetry: Telemetry) -> None:
    """`suppress_instrumentation()` and the API's key switch us off for a block."""
    with suppress_instrumentation():
        _call(p)
    token = attach(set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        _call(p)
    finally:
        detach(token)
    assert telemetry.spans == []
    assert telemetry.points("gen_ai.request.duration") == []
    _call(p)
    assert telemetry.span.name == "chat gpt-4o"


CALL = """
import openai
client = openai.OpenAI(base_url={url!r}, api_key="test")
client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}])
print([name for name in __import__("sys").modules if name == "genai_prices"])
"""


@pytest.mark.parametrize("off", ["setup=False", "OTEL_SDK_DISABLED"])
def test_switched_off_means_nothing_leaves(p: Provider, off: str) -> None:
    """Without an SDK, and with one that is disabled, a call is only a call."""
    keywords, environment = (off, {}) if "=" in off else ("", {off: "true"})
    with OtlpReceiver() as receiver:
        ended = run(
            f"import llm_otel\nllm_otel.instrument({keywords})\n" + CALL.format(url=p.url),
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            **environment,
        )
        assert receiver.requests == []
    assert (ended.code, ended.log) == (0, [])
    assert len(p.requests) == 1


def test_one_call_and_exit_exports_everything(p: Provider) -> None:
    """A process that makes one call and ends has its span, its cost and its unpriced count."""
    two = CALL.format(url=p.url).replace(
        "print(",
        'client.chat.completions.create(model="nobody-knows", messages=[])\nprint(',
    )
    with OtlpReceiver() as receiver:
        ended = run(
            "import llm_otel\nllm_otel.instrument(providers={'127.0.0.1': 'openai'})\n" + two,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
        assert len(receiver.spans()) == 2, receiver.spans()
        wanted = {"gen_ai.cost.usd", "gen_ai.requests.unpriced", "gen_ai.request.duration"}
        assert wanted <= set(receiver.metrics()), receiver.metrics()
    assert ended.code == 0
    assert ended.delay < 2.5, ended


def test_a_program_may_set_its_sdk_up_after_us(p: Provider) -> None:
    """`instrument(setup=False)` first, the SDK later: calls after that are seen."""
    ended = run(
        "import llm_otel\nllm_otel.instrument(setup=False)\n"
        + CALL.format(url=p.url)
        + """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
for again in range(2):
    client.chat.completions.create(model="gpt-4o", messages=[])
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    print([metric.name for metric in data if metric.name == "gen_ai.ratelimit.tokens.remaining"])
    llm_otel.uninstrument()
    llm_otel.instrument(setup=False)
print([span.name for span in exporter.get_finished_spans()])
data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
print([
    sum(point.value for point in metric.data.data_points)
    for metric in data if metric.name in ("gen_ai.requests.unpriced", "gen_ai.requests.active")
])
""",
    )
    assert ended.code == 0, ended.log
    assert ended.out.splitlines()[-4:] == [
        "['gen_ai.ratelimit.tokens.remaining']",
        "['gen_ai.ratelimit.tokens.remaining']",
        "['chat gpt-4o', 'chat gpt-4o']",
        "[2, 0]",
    ], ended.out


def test_threads_that_instrument_at_once_instrument_once(p: Provider) -> None:
    """Many threads, one hook: a call is one span, and one `uninstrument()` undoes it."""
    import threading

    original = openai.OpenAI.request
    with capture(providers={"127.0.0.1": "openai"}) as got:
        threads = [threading.Thread(target=llm_otel.instrument) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _call(p)
    assert got.span.name == "chat gpt-4o"
    assert openai.OpenAI.request is original
    _call(p)
    assert len(got.spans) == 1
