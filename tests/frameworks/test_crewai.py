"""CrewAI: crews, agents and tools are spans."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
pytest.importorskip("crewai")

import openai
from crewai import LLM, Agent, Crew, Task
from crewai.flow import Flow, listen, start
from crewai.tools import tool
from frameworks.parts import MODEL, Question
from opentelemetry import trace

from llm_otel.testing import Provider, capture

ASK = "Use the weather tool."
ONE_TOOL = [
    "invoke_agent helper",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
]


@tool("weather")
def weather(city: str) -> str:
    """The weather in a city."""
    assert trace.get_current_span().name == "execute_tool weather"
    return f"sunny in {city}"


@tool("broken")
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"secret {city}")


def _llm(p: Provider, **options: Any) -> LLM:
    return LLM(model=f"openai/{MODEL}", base_url=p.url, api_key="test", **options)


def _agent(p: Provider, *tools: Any, role: str = "helper", **options: Any) -> Agent:
    return Agent(
        role=role,
        goal="Help.",
        backstory="Helpful.",
        llm=_llm(p, **options),
        tools=list(tools or (weather,)),
    )


def _crew(*agents: Agent, text: str = ASK, **options: Any) -> Crew:
    tasks = [Task(description=text, expected_output="text", agent=each) for each in agents]
    return Crew(name="office", agents=list(agents), tasks=tasks, **options)


def _kickoff(crew: Crew) -> None:
    crew.kickoff()


def _kickoff_async(crew: Crew) -> None:
    asyncio.run(crew.kickoff_async())


def _akickoff(crew: Crew) -> None:
    asyncio.run(crew.akickoff())


@pytest.mark.parametrize("run", [_kickoff, _kickoff_async, _akickoff])
@pytest.mark.parametrize("stream", [False, True])
def test_crew_with_a_tool(question: Question, run: Any, stream: bool) -> None:
    """The crew, its agent and its tool are spans, and none is left current."""
    with question.asked(requests=2):
        run(_crew(_agent(question.p, stream=stream)))
        assert trace.get_current_span().name == "invoke_workflow question"
    assert question.tree == ["invoke_workflow office", *(f"  {line}" for line in ONE_TOOL)]
    attributes = question.span("execute_tool weather").attributes
    assert attributes["gen_ai.agent.name"] == "helper"
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes.keys()


def test_content_is_recorded_where_asked(p: Provider) -> None:
    """Arguments and results of tools are content."""
    with capture(setup=False, capture_content="span_only") as telemetry:
        _kickoff(_crew(_agent(p)))
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert "city" in span.attributes["gen_ai.tool.call.arguments"]
    assert "sunny" in span.attributes["gen_ai.tool.call.result"]


def test_agent_without_a_crew(question: Question) -> None:
    """An agent that is asked by itself."""
    with question.asked(requests=2):
        _agent(question.p).kickoff(ASK)
    assert question.tree == ONE_TOOL


def test_tasks_at_once(question: Question) -> None:
    """Tasks that run in threads keep their parents."""
    agents = [_agent(question.p, role=role) for role in ("one", "two", "three")]
    crew = _crew(*agents)
    for task in crew.tasks[:2]:
        task.async_execution = True
    with question.asked(requests=6):
        crew.kickoff()
    lines = [line.replace(role, "helper") for line in question.tree for role in ("one",)]
    for role in ("two", "three"):
        lines = [line.replace(role, "helper") for line in lines]
    assert lines == ["invoke_workflow office", *(f"  {line}" for line in ONE_TOOL * 3)]


def test_agent_in_a_tool_of_an_agent(question: Question) -> None:
    """A sub-agent lies in the tool that runs it, and its calls lie in it."""
    inner = _agent(question.p, role="inner")

    @tool("delegate")
    def delegate(task: str) -> str:
        """Ask the other agent."""
        return str(inner.kickoff(ASK).raw)

    with question.asked(requests=4):
        _agent(question.p, delegate).kickoff("Please delegate.")
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


def test_flow_of_the_program(question: Question) -> None:
    """A flow is a workflow; what CrewAI runs its own agents in is none."""
    p = question.p

    class Plan(Flow):  # type: ignore[type-arg]
        @start()
        def first(self) -> str:
            return str(_llm(p).call("hello"))

        @listen(first)
        def second(self, text: str) -> str:
            return str(_agent(p).kickoff(ASK).raw)

    with question.asked(requests=3):
        Plan().kickoff()
    assert question.tree == [
        "invoke_workflow Plan",
        f"  chat {MODEL}",
        *(f"  {line}" for line in ONE_TOOL),
    ]


def test_tool_error(question: Question) -> None:
    """A tool that fails has the error's class, and no text of it; its agent goes on."""
    with question.asked(requests=2):
        _kickoff(_crew(_agent(question.p, broken), text="Call broken now."))
    assert question.span("execute_tool broken").error == "LookupError"
    assert question.span("invoke_agent helper").error is None
    assert "secret" not in repr(question.telemetry)


def test_failed_agent(question: Question) -> None:
    """An agent whose provider fails has the error's class, and its crew, too."""
    question.p.enqueue(*["authentication"] * 3)
    with question.asked(requests=3), pytest.raises(openai.AuthenticationError):
        _kickoff(_crew(_agent(question.p)))
    assert trace.get_current_span() is trace.INVALID_SPAN
    attempt = [
        "  invoke_agent helper [error: openai.AuthenticationError]",
        f"    chat {MODEL} [error: openai.AuthenticationError]",
    ]
    crew = "invoke_workflow office [error: openai.AuthenticationError]"
    assert question.tree == [crew, *attempt * 3]


def test_taken_away_and_put_back(p: Provider) -> None:
    """Without the adapter calls are there, and agents are not; later it is back, once."""
    with capture(setup=False, frameworks=False) as telemetry:
        _agent(p).kickoff(ASK)
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 2
    with capture(setup=False) as telemetry:
        _agent(p).kickoff(ASK)
    assert telemetry.tree().splitlines() == ONE_TOOL
