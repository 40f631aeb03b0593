"""Google's Agent Development Kit, beside its own spans: by google-genai, and by LiteLLM."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("google.adk")

from frameworks.parts import MODEL, Question
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

ASK = "Use the weather tool."


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def _openai(question: Question) -> Any:
    return LiteLlm(model=f"openai/{MODEL}", api_base=question.p.url, api_key="test")


def _agent(question: Question, *tools: Any, model: Any = _openai) -> LlmAgent:
    return LlmAgent(
        name="helper", description="Helps.", model=model(question), tools=list(tools or (weather,))
    )


def _run(agent: LlmAgent, text: str = ASK, streaming: bool = False) -> None:
    async def read() -> None:
        runner = InMemoryRunner(agent=agent, app_name="app")
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        config = RunConfig(streaming_mode=StreamingMode.SSE if streaming else StreamingMode.NONE)
        async for _ in runner.run_async(
            user_id="u",
            session_id=session.id,
            new_message=types.Content(role="user", parts=[types.Part(text=text)]),
            run_config=config,
        ):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("streaming", [False, True])
def test_without_its_spans(question: Question, streaming: bool) -> None:
    """Where no tracer provider is set for it, calls lie in the program's step."""
    with question.asked(requests=2):
        _run(_agent(question), streaming=streaming)
    assert question.tree == [f"chat {MODEL}"] * 2


@pytest.mark.parametrize("streaming", [False, True])
def test_with_its_spans(question: Question, streaming: bool) -> None:
    """Its spans are the calls', and carry what ours would."""
    question.share_tracer_provider()
    with question.asked(requests=2):
        _run(_agent(question), streaming=streaming)


def test_agent_as_a_tool(question: Question) -> None:
    """A sub-agent in a tool."""
    inner = LlmAgent(name="inner", description="Answers.", model=_openai(question))
    with question.asked(requests=3):
        _run(_agent(question, AgentTool(inner)), "Ask inner.")
    assert question.tree == [f"chat {MODEL}"] * 3
