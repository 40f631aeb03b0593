"""Strands, beside its own spans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("strands")

from frameworks.parts import MODEL, Question
from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.telemetry import tracer

ASK = "Use the weather tool."


@pytest.fixture(autouse=True)
def fresh_tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strands keeps the tracer of the first agent."""
    monkeypatch.setattr(tracer, "_tracer_instance", None)


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(city)


def _agent(question: Question, *tools: Any) -> Agent:
    model = OpenAIModel(client_args={"base_url": question.p.url, "api_key": "test"}, model_id=MODEL)
    return Agent(model=model, name="helper", tools=list(tools or (weather,)), callback_handler=None)


def _call(agent: Agent) -> None:
    agent(ASK)


def _asynchronous(agent: Agent) -> None:
    asyncio.run(agent.invoke_async(ASK))


def _streamed(agent: Agent) -> None:
    async def read() -> None:
        async for _ in agent.stream_async(ASK):
            pass

    asyncio.run(read())


WAYS = [_call, _asynchronous, _streamed]


@pytest.mark.parametrize("run", WAYS)
def test_without_its_spans(question: Question, run: Any) -> None:
    """Where no tracer provider is set for it, calls lie in the program's step."""
    with question.asked(requests=2):
        run(_agent(question))
    assert question.tree == [f"chat {MODEL}"] * 2


@pytest.mark.parametrize("run", WAYS)
def test_with_its_spans(question: Question, run: Any) -> None:
    """Its spans are the calls', and carry what ours would."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        run(_agent(question))


def test_tool_error(question: Question) -> None:
    """A tool that fails; the agent goes on."""
    with question.asked(requests=2):
        _agent(question, broken)("Call broken now.")
