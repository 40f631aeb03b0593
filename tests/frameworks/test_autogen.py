"""AutoGen: agents and teams, beside its own spans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("autogen_agentchat")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient
from frameworks.parts import MODEL, Question

ASK = "Use the weather tool."


async def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(city)


def _agent(question: Question, name: str = "helper", **options: Any) -> AssistantAgent:
    client = OpenAIChatCompletionClient(model=MODEL, base_url=question.p.url, api_key="test")
    options.setdefault("tools", [weather])
    return AssistantAgent(name, model_client=client, reflect_on_tool_use=True, **options)


def _run(agent: Any) -> None:
    asyncio.run(agent.run(task=ASK))


def _streamed(agent: Any) -> None:
    async def read() -> None:
        async for _ in agent.run_stream(task=ASK):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("run", [_run, _streamed])
@pytest.mark.parametrize("stream", [False, True])
def test_agent_with_a_tool(question: Question, run: Any, stream: bool) -> None:
    """Its agent and tool spans are in the tree, ours are the calls."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        run(_agent(question, model_client_stream=stream))
    assert [each for each in question.operations if each != "create_agent"] == [
        "invoke_agent",
        "chat",
        "execute_tool",
        "chat",
    ]


def test_team(question: Question) -> None:
    """Two agents that speak in turn."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        agents = [_agent(question, name, tools=[]) for name in ("one", "two")]
        team = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(3))
        asyncio.run(team.run(task="Hello."))


def test_tool_error(question: Question) -> None:
    """A tool that fails; the agent goes on."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        asyncio.run(_agent(question, tools=[broken]).run(task="Call broken now."))
