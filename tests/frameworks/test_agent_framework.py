"""Microsoft Agent Framework, whose own spans are on wherever there is a tracer provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("agent_framework")

from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient
from frameworks.parts import MODEL, Question

ASK = "Use the weather tool."


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def _agent(question: Question, *tools: Any, kind: Any = OpenAIChatCompletionClient) -> Agent:
    client = kind(model=MODEL, base_url=question.p.url, api_key="test")
    return Agent(client=client, name="helper", tools=list(tools or (weather,)))


def _run(agent: Agent) -> None:
    asyncio.run(agent.run(ASK))


def _streamed(agent: Agent) -> None:
    async def read() -> None:
        async for _ in agent.run(ASK, stream=True):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("run", [_run, _streamed])
@pytest.mark.parametrize("kind", [OpenAIChatCompletionClient, OpenAIChatClient])
def test_without_its_spans(question: Question, run: Any, kind: Any) -> None:
    """Where no tracer provider is set for it, calls lie in the program's step."""
    with question.asked(requests=2):
        run(_agent(question, kind=kind))
    assert question.tree == [f"chat {MODEL}"] * 2


@pytest.mark.parametrize("run", [_run, _streamed])
@pytest.mark.parametrize("kind", [OpenAIChatCompletionClient, OpenAIChatClient])
def test_with_its_spans(question: Question, run: Any, kind: Any) -> None:
    """Its spans are the calls', and carry what ours would."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        run(_agent(question, kind=kind))
    assert question.operations == ["invoke_agent", "chat", "execute_tool", "chat"]


def test_agent_as_a_tool(question: Question) -> None:
    """A sub-agent in a tool."""
    question.share_tracer_provider()
    inner = _agent(question)
    with question.asked(requests=3):
        asyncio.run(
            _agent(question, inner.as_tool(name="delegate", arg_name="task")).run(
                "Please delegate: use the weather tool."
            )
        )


def test_tool_error(question: Question) -> None:
    """A tool that fails; the agent goes on."""

    def broken(city: str) -> str:
        """Always fails."""
        raise LookupError(city)

    with question.asked(requests=2):
        asyncio.run(_agent(question, broken).run("Call broken now."))
