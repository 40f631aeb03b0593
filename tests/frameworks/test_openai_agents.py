"""OpenAI Agents SDK: agents and tools are spans, whatever way they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

agents = pytest.importorskip("agents")
if not hasattr(agents, "add_trace_processor"):
    pytest.skip("another package of this name", allow_module_level=True)

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_trace_processors,
    trace,
)
from frameworks.parts import MODEL, Question
from openai import AsyncOpenAI
from opentelemetry import trace as otel

from llm_otel.testing import Provider, capture

ASK = "Use the weather tool."
ONE_TOOL = [
    "invoke_agent helper",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
]


@pytest.fixture(autouse=True)
def no_exporter() -> Iterator[None]:
    """The SDK's own exporter would send traces to a public host."""
    set_trace_processors([])
    yield
    set_trace_processors([])


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    assert otel.get_current_span().name == "execute_tool weather"
    return f"sunny in {city}"


@function_tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"secret {city}")


@function_tool(failure_error_function=None)
def fatal(city: str) -> str:
    """Always fails, and its run with it."""
    raise LookupError(f"secret {city}")


def _model(p: Provider, kind: Any = OpenAIChatCompletionsModel) -> Any:
    client = AsyncOpenAI(base_url=p.url, api_key="test", max_retries=0)
    return kind(model=MODEL, openai_client=client)


def _agent(p: Provider, *tools: Any, name: str = "helper", **options: Any) -> Any:
    return Agent(
        name=name,
        model=_model(p, options.pop("model", OpenAIChatCompletionsModel)),
        tools=list(tools or (weather,)),
        **options,
    )


def _run(agent: Any) -> None:
    asyncio.run(Runner.run(agent, ASK))


def _run_sync(agent: Any) -> None:
    Runner.run_sync(agent, ASK)


def _streamed(agent: Any) -> None:
    async def read() -> None:
        result = Runner.run_streamed(agent, ASK)
        async for _ in result.stream_events():
            assert otel.get_current_span().name == "invoke_workflow question"

    asyncio.run(read())


@pytest.mark.parametrize("run", [_run, _run_sync, _streamed])
@pytest.mark.parametrize("model", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_agent_with_a_tool(question: Question, run: Any, model: Any) -> None:
    """The agent and its tool are spans in every way to run it."""
    with question.asked(requests=2):
        run(_agent(question.p, model=model))
        assert otel.get_current_span().name == "invoke_workflow question"
    assert question.tree == ONE_TOOL
    attributes = question.span("execute_tool weather").attributes
    assert attributes["gen_ai.agent.name"] == "helper"
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes.keys()


def test_content_is_recorded_where_asked(p: Provider) -> None:
    """Arguments and results of tools are content; a run that nothing is around is a workflow."""
    with capture(setup=False, capture_content="span_only") as telemetry:
        _run(_agent(p))
    assert telemetry.tree().splitlines()[:2] == [
        "invoke_workflow Agent workflow",
        "  invoke_agent helper",
    ]
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert "city" in span.attributes["gen_ai.tool.call.arguments"]
    assert "sunny" in span.attributes["gen_ai.tool.call.result"]


def test_agent_as_a_tool(question: Question) -> None:
    """A sub-agent lies in the tool that runs it, and its calls lie in it."""
    must_call = ModelSettings(tool_choice="weather")
    inner = _agent(question.p, name="inner", model_settings=must_call)
    outer = _agent(question.p, inner.as_tool("delegate", "Asks another agent."))
    with question.asked(requests=4):
        asyncio.run(Runner.run(outer, "Please delegate."))
    assert question.tree == [
        "invoke_agent helper",
        f"  chat {MODEL}",
        "  execute_tool delegate",
        "    invoke_agent inner",
        f"      chat {MODEL}",
        "      execute_tool weather",
        f"      chat {MODEL}",
        f"  chat {MODEL}",
    ]


def test_handoff(question: Question) -> None:
    """An agent that hands over ends before the other begins; both lie in the program's step."""
    second = _agent(question.p, name="second")
    first = _agent(question.p, name="first", handoffs=[second])
    with question.asked(requests=2):
        asyncio.run(Runner.run(first, "Please transfer_to_second now."))
    assert question.tree == [
        "invoke_agent first",
        f"  chat {MODEL}",
        "invoke_agent second",
        f"  chat {MODEL}",
    ]


def test_tool_error(question: Question) -> None:
    """A tool whose error the SDK tells to the model has failed, and its agent has not."""
    with question.asked(requests=2):
        asyncio.run(Runner.run(_agent(question.p, broken), "Call broken now."))
    assert question.span("execute_tool broken").error == "tool_error"
    assert question.span("invoke_agent helper").error is None
    assert "secret" not in repr(question.telemetry)


def test_fatal_tool_error(question: Question) -> None:
    """A tool's exception that ends the run, which runs while the program handles another."""
    with question.asked(requests=1):
        try:
            raise KeyError("the program's own")
        except KeyError:
            with pytest.raises(agents.UserError):
                asyncio.run(Runner.run(_agent(question.p, fatal), "Call fatal now."))
    assert question.span("execute_tool fatal").error in (
        "LookupError",
        "agents.exceptions.UserError",
    )
    assert question.span("invoke_agent helper").error == "agents.exceptions.UserError"
    assert "secret" not in repr(question.telemetry)


def test_runs_at_once(question: Question) -> None:
    """Runs in tasks of their own, in a trace with a name, keep their parents."""

    async def run() -> None:
        with trace("batch", group_id="c-1"):
            await asyncio.gather(*(Runner.run(_agent(question.p), ASK) for _ in range(3)))

    with question.asked(requests=6):
        asyncio.run(run())
    assert question.tree == ["invoke_workflow batch", *(f"  {line}" for line in ONE_TOOL * 3)]
    conversations = {
        each.attributes.get("gen_ai.conversation.id")
        for each in question.telemetry.spans
        if each.name == "invoke_agent helper"
    }
    assert conversations == {"c-1"}


def test_off_by_setting_and_by_uninstrument(p: Provider) -> None:
    """Without the adapter calls are there, and agents are not; later it is back, once."""
    with capture(setup=False, frameworks="langchain, dspy") as telemetry:
        _run(_agent(p))
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 2
    with capture(setup=False) as telemetry:
        _run(_agent(p))
    assert telemetry.tree().splitlines()[1:] == [f"  {line}" for line in ONE_TOOL]
