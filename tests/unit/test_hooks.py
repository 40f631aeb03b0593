"""What is hooked when, once each, and that nothing of it stays behind."""

from __future__ import annotations

import pytest
from programs import run

from llm_otel.testing import provider

PROGRAM = """
import asyncio, inspect, threading
import openai, wrapt
import llm_otel
from llm_otel.seams import calls, stainless
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

URL = {url!r}
FILES = (calls.__file__, stainless.__file__)
BASES = (openai._base_client.SyncAPIClient, openai._base_client.AsyncAPIClient)
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
asked = dict(model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}])

def sdk():
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))

def ask(cls=openai.OpenAI):
    with cls(base_url=URL, api_key="x") as client:
        client.chat.completions.create(**asked)

async def ask_async():
    async with openai.AsyncOpenAI(base_url=URL, api_key="x") as client:
        await client.chat.completions.create(**asked)

@wrapt.decorator
def theirs(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)

def ours():
    "How many hooks of ours are on the two functions of the two base classes."
    found = []
    for base in BASES:
        for name in ("request", "_process_response"):
            function, depth = inspect.getattr_static(base, name), 0
            while hasattr(function, "__wrapped__"):
                depth += type(function) is type(ours) and function.__code__.co_filename in FILES
                function = function.__wrapped__
            found.append(depth)
    return found

def tell():
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    durations = [m for m in data if m.name == "gen_ai.request.duration"]
    counted = sum(point.count for m in durations for point in m.data.data_points)
    print(len(exporter.get_finished_spans()), counted, ours())
"""

LATE = """
llm_otel.instrument(setup=False)
print(ours())
sdk()
ask()
asyncio.run(ask_async())
tell()
llm_otel.uninstrument()
print(ours())
"""

SUBCLASS_SINCE = """
llm_otel.instrument(setup=False)
class Mine(openai.OpenAI):
    @theirs
    def request(self, *args, **kwargs):
        return super().request(*args, **kwargs)
sdk()
ask(Mine)
ask(Mine)
tell()
"""

WRAPPED_SINCE = """
sdk()
llm_otel.instrument(setup=False)
BASES[0].request = theirs(BASES[0].request)
llm_otel.uninstrument()
llm_otel.instrument(setup=False)
ask()
asyncio.run(ask_async())
tell()
llm_otel.uninstrument()
print(ours())
"""

MANY_AT_ONCE = """
import sys
sys.setswitchinterval(1e-6)
llm_otel.instrument(setup=False)
sdk()
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
tell()
llm_otel.uninstrument()
print(ours())
"""


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (LATE, ["[1, 0, 1, 0]", "2 2 [1, 1, 1, 1]", "[0, 0, 0, 0]"]),
        (SUBCLASS_SINCE, ["2 2 [1, 1, 1, 1]"]),
        # what somebody wrapped has to stay, and passes through
        (WRAPPED_SINCE, ["2 2 [1, 1, 1, 1]", "[1, 0, 0, 0]"]),
        (MANY_AT_ONCE, ["8 8 [1, 1, 1, 1]", "[0, 0, 0, 0]"]),
    ],
    ids=["late", "subclass since", "wrapped since", "many at once"],
)
def test_each_function_is_hooked_once(program: str, told: list[str]) -> None:
    """Whatever the order of the SDK, of us and of others: a call is one span and one count."""
    with provider() as serving:
        ended = run(PROGRAM.format(url=serving.url) + program)
    assert (ended.code, ended.out.splitlines()) == (0, told), ended
