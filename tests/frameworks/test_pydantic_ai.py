"""Pydantic AI: plain, and with its own spans, each request once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from frameworks.parts import MODEL, Question
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

ASK = "Use the weather tool."


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def _agent(question: Question, *tools: Any, instrumented: bool = False) -> Any:
    provider = OpenAIProvider(base_url=question.p.url, api_key="test")
    model = OpenAIChatModel(MODEL, provider=provider)
    agent = Agent(model, name="helper", tools=list(tools or (weather,)))
    if instrumented:
        agent.instrument = InstrumentationSettings(tracer_provider=question.tracer_provider())
    return agent


def _run_sync(agent: Any) -> None:
    agent.run_sync(ASK)


def _run(agent: Any) -> None:
    asyncio.run(agent.run(ASK))


def _streamed(agent: Any) -> None:
    async def read() -> None:
        async with agent.run_stream(ASK) as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(read())


WAYS = [_run_sync, _run, _streamed]


@pytest.mark.parametrize("run", WAYS)
def test_plain(question: Question, run: Any) -> None:
    """Without its spans, calls lie in the program's step."""
    with question.asked(requests=2):
        run(_agent(question))
    assert question.tree == [f"chat {MODEL}"] * 2


@pytest.mark.parametrize("run", WAYS)
def test_instrumented(question: Question, run: Any) -> None:
    """Its spans are the calls', and carry what ours would."""
    with question.asked(requests=2):
        run(_agent(question, instrumented=True))
    assert question.operations == ["invoke_agent", "chat", "execute_tool", "chat"]


def test_agent_in_a_tool_instrumented(question: Question) -> None:
    """A sub-agent in a tool."""
    inner = _agent(question, instrumented=True)

    async def delegate(task: str) -> str:
        """Ask the other agent."""
        return str((await inner.run(ASK)).output)

    with question.asked(requests=4):
        asyncio.run(
            _agent(question, delegate, instrumented=True).run("Please delegate."),
        )


def test_tool_error(question: Question) -> None:
    """An exception of a tool goes on, and the call before it is counted."""

    def broken(city: str) -> str:
        """Always fails."""
        raise LookupError(city)

    with question.asked(requests=1), pytest.raises(LookupError):
        _agent(question, broken).run_sync("Call broken now.")
