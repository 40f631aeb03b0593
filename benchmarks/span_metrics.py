"""What `SpanMetrics` and writing on somebody else's span cost, in turns within one process.

    python benchmarks/span_metrics.py

Each figure is a median of turns: a span with the processor less the same span without it, and a
call whose span is a framework's less one with a span of llm-otel's own.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from statistics import median
from time import thread_time
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import llm_otel
from llm_otel.core import runtime

_TURNS, _SPANS = 60, 200
_CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
_OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-4o",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 100,
    "llm.token_count.total": 1100,
    "input.value": "{}",
    "output.value": "{}",
}
_OPEN = {name: _CALL[name] for name in list(_CALL)[:3]}
_HTTP = {"http.request.method": "GET", "url.full": "http://a/b", "server.address": "a"}


def _provider(counting: bool) -> Any:
    provider = TracerProvider(shutdown_on_exit=False)
    if counting:
        meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
        provider.add_span_processor(llm_otel.SpanMetrics(meter_provider=meters))
    return provider.get_tracer("somebody")


def _spans(tracer: Any, attributes: Any) -> float:
    """µs a span."""
    begin = thread_time()
    for _ in range(_SPANS):
        tracer.start_span("span", attributes=attributes).end()
    return (thread_time() - begin) / _SPANS * 1e6


def _differences(one: Callable[[], float], other: Callable[[], float]) -> float:
    """The median of what `one` takes more than `other`, turn by turn."""
    order = random.Random(1)
    differences = []
    for _ in range(_TURNS):
        times = {}
        for function in order.sample((one, other), 2):
            times[function] = function()
        differences.append(times[one] - times[other])
    return median(differences)


def main() -> None:
    """Measure and print."""
    import workloads

    gc.collect()
    gc.freeze()
    bare, counted = _provider(False), _provider(True)
    for name, attributes in (
        ("a call by the conventions", _CALL),
        ("a call of OpenInference", _OPENINFERENCE),
        ("any other span", _HTTP),
    ):
        cost = _differences(
            lambda a=attributes: _spans(counted, a), lambda a=attributes: _spans(bare, a)
        )
        print(f"SpanMetrics, {name}: {cost:.1f} µs")
    provider = TracerProvider(shutdown_on_exit=False)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    llm_otel.instrument(tracer_provider=provider, meter_provider=meters)
    active = runtime.active()
    assert active is not None
    active.pricing.wait(30)
    tracer = provider.get_tracer("framework")
    chat = workloads.calls()["chat"]

    def calls(attributes: Any) -> float:
        # The outer span is there in both: what differs is whose span the call's is.
        begin = thread_time()
        for _ in range(20):
            with tracer.start_as_current_span("chat", attributes=attributes):
                chat()
        return (thread_time() - begin) / 20 * 1e6

    cheaper = _differences(lambda: calls(_OPEN), lambda: calls(_HTTP))
    print(f"a call in a framework's span, against a span of our own: {cheaper:+.1f} µs")


if __name__ == "__main__":
    main()
