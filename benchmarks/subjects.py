"""Who is measured: nothing, the floor, ourselves in several settings, and the peers.

Imported by the benchmark itself, which needs the names, and by the workers, which prepare one
subject each in the environment that has its packages.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import telemetry

OURS = "ours"
# Steps around a call whose sums are measured.
_DEPTH = 5

Call = Callable[[], Any]


class Plain:
    """Runs a call as it is."""

    def run(self, call: Call) -> Any:
        """Make one call."""
        return call()

    async def run_async(self, call: Call) -> Any:
        """Make one asynchronous call."""
        return await call()


class Floor(Plain):
    """What no instrumentation can do without: one bare span, and five recordings inside it."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace

        self._kind = trace.SpanKind.CLIENT
        self._tracer = trace.get_tracer("floor")
        meter = metrics.get_meter("floor")
        self._histograms = [meter.create_histogram(f"floor.{n}", "s") for n in range(3)]
        self._counters = [meter.create_counter(f"floor.count.{n}", "1") for n in range(2)]
        self._attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "server.address": "api.openai.com",
            "server.port": 443,
            "tenant_id": "acme",
            "feature": "assistant",
        }

    def _span(self) -> Any:
        return self._tracer.start_as_current_span(
            "chat gpt-4o", kind=self._kind, attributes=self._attributes
        )

    def _record(self) -> None:
        for histogram in self._histograms:
            histogram.record(0.8, self._attributes)
        for counter in self._counters:
            counter.add(212, self._attributes)

    def run(self, call: Call) -> Any:
        with self._span():
            result = call()
            self._record()
        return result

    async def run_async(self, call: Call) -> Any:
        with self._span():
            result = await call()
            self._record()
        return result


class Attributed(Plain):
    """Every call inside an attribution block of its own."""

    def __init__(self) -> None:
        from llm_otel import attribution

        self._attribution = attribution

    def run(self, call: Call) -> Any:
        with self._attribution(tenant_id="acme", feature="assistant"):
            return call()

    async def run_async(self, call: Call) -> Any:
        async with self._attribution(tenant_id="acme", feature="assistant"):
            return await call()


class Inside(Plain):
    """Every call inside five nested steps, which are entered once.

    Args:
        sums: Whether the calls add to the steps' sums.
    """

    def __init__(self, *, sums: bool) -> None:
        from opentelemetry.context import Context, get_current

        import llm_otel

        outside = get_current()
        for step in (llm_otel.workflow, *[llm_otel.agent] * (_DEPTH - 1)):
            step("work").__enter__()
        inside = get_current()
        self._context = Context(
            {k: v for k, v in inside.items() if sums or not k.startswith("llm_otel.rollup")}
        )
        self._attach(outside)

    @staticmethod
    def _attach(context: Any) -> None:
        from opentelemetry.context import attach

        attach(context)

    def enter(self) -> None:
        """Make the steps current, for all calls that follow."""
        self._attach(self._context)


# ------------------------------------------------------------------ preparations


def _floor() -> Plain:
    telemetry.install()
    return Floor()


def _ours(
    *, sampled: bool = True, sdk: bool = True, block_per_call: bool = False, **settings: Any
) -> Plain:
    import llm_otel
    from llm_otel.core import runtime

    if sdk:
        telemetry.install(sampled=sampled)
    llm_otel.instrument(setup=False, **settings)
    active = runtime.active()
    if active is not None and not active.pricing.wait(30):
        raise SystemExit("the price table was not loaded in 30 s")
    if block_per_call:
        return Attributed()
    # as in a web request: entered once, around everything that is measured
    llm_otel.attribution(tenant_id="acme", feature="assistant").__enter__()
    return Plain()


def _inside(*, sums: bool) -> Plain:
    _ours()
    steps = Inside(sums=sums)
    steps.enter()
    return steps


def _ours_disabled() -> Plain:
    os.environ["OTEL_SDK_DISABLED"] = "true"
    return _ours(sdk=False)


def _otel() -> Plain:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    telemetry.install()
    OpenAIInstrumentor().instrument()
    return Plain()


def _openinference() -> Plain:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    telemetry.install()
    OpenAIInstrumentor().instrument()
    return Plain()


def _openllmetry() -> Plain:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    telemetry.install()
    OpenAIInstrumentor().instrument()
    return Plain()


def _logfire() -> Plain:
    import logfire

    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[telemetry.span_processor()],
        metrics=logfire.MetricsOptions(additional_readers=[telemetry.metric_reader()]),
    )
    logfire.instrument_openai()
    return Plain()


def _openlit() -> Plain:
    import openlit

    telemetry.install()
    # a price file of its own, as it would fetch one over the network
    prices = os.path.join(os.path.dirname(os.path.abspath(__file__)), "openlit_prices.json")
    openlit.init(pricing_json=prices, disabled_instrumentors=["httpx", "requests", "urllib3"])
    return Plain()


@dataclass(frozen=True)
class Subject:
    """One column of the table.

    Attributes:
        prepare: Called once in the worker, before the client is imported.
        about: What it is, for the reader.
        environment: Whose packages it runs with.
    """

    prepare: Callable[[], Plain]
    about: str
    environment: str = OURS


SUBJECTS = {
    "floor": Subject(_floor, "one bare SDK span and five recordings, made by hand"),
    "ours": Subject(_ours, "defaults: both metric families, cost, attribution"),
    "ours, block per call": Subject(
        lambda: _ours(block_per_call=True), "and an attribution block around each call"
    ),
    "ours, semconv both": Subject(lambda: _ours(semconv="both"), "both vintages of family B"),
    "ours, with content": Subject(
        lambda: _ours(capture_content="SPAN_ONLY"), "prompts and completions on spans"
    ),
    "ours, unsampled": Subject(lambda: _ours(sampled=False), "sampler ALWAYS_OFF"),
    "ours, no SDK": Subject(lambda: _ours(sdk=False), "setup=False and no provider"),
    "ours, SDK disabled": Subject(_ours_disabled, "OTEL_SDK_DISABLED=true"),
}
# Each beside the same spans without sums: see `pairs.py` and `instructions.py`.
STEPS = {
    "in five spans": Subject(lambda: _inside(sums=False), "five nested steps, no sums"),
    "in five steps": Subject(lambda: _inside(sums=True), "five nested steps with their sums"),
}
PEERS = {
    "otel": Subject(_otel, "opentelemetry-instrumentation-genai-openai", "otel"),
    "openinference": Subject(
        _openinference, "openinference-instrumentation-openai", "openinference"
    ),
    "openllmetry": Subject(_openllmetry, "opentelemetry-instrumentation-openai", "openllmetry"),
    "logfire": Subject(_logfire, "logfire", "logfire"),
    "openlit": Subject(_openlit, "openlit", "openlit"),
}
