"""Semantic Kernel: agents and functions, plain and with its diagnostics."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("semantic_kernel")

from frameworks.parts import MODEL, Question
from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function
from semantic_kernel.utils.telemetry.model_diagnostics import decorators

ASK = "Use the tools-weather tool."


class Tools:
    """Functions of the agent."""

    @kernel_function
    def weather(self, city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"


def _agent(question: Question, name: str = "helper", **options: Any) -> ChatCompletionAgent:
    client = AsyncOpenAI(base_url=question.p.url, api_key="test", max_retries=0)
    service = OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)
    options.setdefault("plugins", [Tools()])
    return ChatCompletionAgent(name=name, service=service, **options)


def _run(agent: Any) -> None:
    async def read() -> None:
        async for _ in agent.invoke(ASK):
            pass

    asyncio.run(read())


def _streamed(agent: Any) -> None:
    async def read() -> None:
        async for _ in agent.invoke_stream(ASK):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("run", [_run, _streamed])
def test_plain(question: Question, run: Any) -> None:
    """Its functions' spans are in the tree, ours are the calls."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        run(_agent(question))
    assert [each for each in question.operations if each in ("chat", "execute_tool")] == [
        "chat",
        "execute_tool",
        "chat",
    ]


@pytest.mark.parametrize("run", [_run, _streamed])
def test_with_diagnostics(question: Question, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its spans are the calls', and carry what ours would."""
    monkeypatch.setattr(decorators.MODEL_DIAGNOSTICS_SETTINGS, "enable_otel_diagnostics", True)
    question.share_tracer_provider()
    with question.asked(requests=2):
        run(_agent(question))


def test_agent_as_a_plugin(question: Question) -> None:
    """A sub-agent in a function."""
    question.share_tracer_provider()
    inner = _agent(question, "inner", plugins=[], description="Answers.")
    outer = _agent(question, "outer", plugins=[inner])
    with question.asked(requests=3):
        asyncio.run(outer.get_response("Use the inner-inner tool."))
