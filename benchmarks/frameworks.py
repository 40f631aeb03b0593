"""What a framework's tree of 30 spans costs, beside the framework's own time.

    python benchmarks/frameworks.py langgraph|openai-agents [--rounds N]

Needs the framework's environment, which the test matrix makes: `python tests/matrix.py langgraph`,
then `.cache/matrix/langgraph/bin/python benchmarks/frameworks.py langgraph`. An agent asks a model
fifteen times and runs a tool after each answer but the last: 1 + 15 + 14 spans. The provider is in
the process and answers at once. Three ways take turns in one process, in an order drawn anew each
time: without us, with us and without the adapter, with all; differences are taken turn by turn.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from time import perf_counter, process_time
from typing import Any

try:  # openai 3 runs on httpx2, openai 2 on httpx
    import httpx2 as httpx
except ImportError:
    import httpx
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import llm_otel
from llm_otel import frameworks
from llm_otel.core import runtime

_CALLS = 15
_SPANS = 2 * _CALLS
_MODEL = "gpt-4o-mini"
_WAYS = ("without us", "calls alone", "calls, agents and tools")


def _answer(request: httpx.Request) -> httpx.Response:
    """A call of the tool, until enough results of it are in the question."""
    messages = json.loads(request.content)["messages"]
    message: dict[str, Any] = {"role": "assistant", "content": "It is sunny."}
    done = sum(each["role"] == "tool" for each in messages) >= _CALLS - 1
    if not done:
        function = {"name": "weather", "arguments": '{"city": "Rome"}'}
        call = {"id": f"call_{len(messages)}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795262400,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "stop" if done else "tool_calls"}
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140},
    }
    return httpx.Response(200, json=body)


_TRANSPORT = {"base_url": "http://provider/v1", "api_key": "test", "max_retries": 0}


def _langgraph() -> Callable[[], Any]:
    from langchain.agents import create_agent
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    @tool
    def weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    client = httpx.Client(transport=httpx.MockTransport(_answer))
    agent = create_agent(
        ChatOpenAI(model=_MODEL, http_client=client, **_TRANSPORT), [weather], name="helper"
    )
    question = {"messages": [("user", "Is it sunny?")]}
    return lambda: agent.invoke(question, {"recursion_limit": 4 * _CALLS})


def _openai_agents() -> Callable[[], Any]:
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        Runner,
        function_tool,
        set_trace_processors,
    )
    from openai import AsyncOpenAI

    set_trace_processors([])  # its own exporter, which would send to a public host

    @function_tool
    def weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    client = AsyncOpenAI(
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(_answer)), **_TRANSPORT
    )
    model = OpenAIChatCompletionsModel(model=_MODEL, openai_client=client)
    agent = Agent(name="helper", model=model, tools=[weather])
    loop = asyncio.new_event_loop()
    run = Runner.run
    return lambda: loop.run_until_complete(run(agent, "Is it sunny?", max_turns=2 * _CALLS))


_FRAMEWORKS = {
    "langgraph": (_langgraph, ("langgraph", "langchain", "openai")),
    "openai-agents": (_openai_agents, ("openai-agents", "openai")),
}


class _Nowhere(SpanExporter):
    """Takes spans, counts them, and drops them."""

    exported = 0

    def export(self, spans: Any) -> SpanExportResult:
        self.exported += len(spans)
        return SpanExportResult.SUCCESS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=_FRAMEWORKS)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    make, packages = _FRAMEWORKS[options.framework]
    run = make()
    exporter = _Nowhere()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(BatchSpanProcessor(exporter))
    meter_provider = MeterProvider([InMemoryMetricReader()])

    llm_otel.instrument(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        providers={"provider": "openai"},
    )
    active = runtime.active()
    active.pricing.wait(30)  # or its thread would be measured

    def turn(way: str) -> tuple[float, float]:
        runtime.activate(None if way == _WAYS[0] else active)
        frameworks.remove_all()
        frameworks.install(frameworks.choose(way == _WAYS[2]))
        gc.collect()
        began, cpu = perf_counter(), process_time()
        run()
        return perf_counter() - began, process_time() - cpu

    for way in _WAYS:
        turn(way)
    tracer_provider.force_flush()
    assert exporter.exported >= _SPANS + _CALLS, exporter.exported
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
    drawn = random.Random(0)
    for _ in range(options.rounds):
        for way in drawn.sample(_WAYS, len(_WAYS)):
            times[way].append(turn(way))
    print(", ".join(f"{name} {version(name)}" for name in packages))
    floor = times[_WAYS[0]]
    for way in _WAYS:
        wall, cpu = (median(each[n] for each in times[way]) for n in (0, 1))
        more = median(each[1] - own[1] for each, own in zip(times[way], floor, strict=True))
        share = more / median(own[1] for own in floor)
        print(f"{way:24} {wall * 1e3:7.2f} ms, CPU {cpu * 1e3:7.2f} ms, {share:+.1%} of its own")


if __name__ == "__main__":
    main()
