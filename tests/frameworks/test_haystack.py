"""Haystack: pipelines and agents; it makes no spans of its own, and has calls lie in the step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("haystack")

from frameworks.parts import MODEL, Question
from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def _generator(question: Question, **options: Any) -> OpenAIChatGenerator:
    return OpenAIChatGenerator(
        api_key=Secret.from_token("test"), model=MODEL, api_base_url=question.p.url, **options
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_pipeline(question: Question, streaming: bool) -> None:
    """A pipeline of two components."""
    options = {"streaming_callback": lambda _chunk: None} if streaming else {}
    pipeline = Pipeline()
    template = [ChatMessage.from_user("Say {{word}}.")]
    pipeline.add_component("prompt", ChatPromptBuilder(template=template))
    pipeline.add_component("llm", _generator(question, **options))
    pipeline.connect("prompt.prompt", "llm.messages")
    with question.asked(requests=1):
        pipeline.run({"prompt": {"word": "hello"}})
    assert question.tree == [f"chat {MODEL}"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_agent_with_a_tool(question: Question, asynchronous: bool) -> None:
    """An agent's calls, one after the other."""
    agent = Agent(chat_generator=_generator(question), tools=[weather])
    messages = [ChatMessage.from_user("Use the weather tool.")]
    with question.asked(requests=2):
        if asynchronous:
            asyncio.run(agent.run_async(messages=messages))
        else:
            agent.run(messages=messages)
    assert question.tree == [f"chat {MODEL}"] * 2


def test_tool_error(question: Question) -> None:
    """A tool that fails; the agent goes on."""

    @tool
    def broken(city: str) -> str:
        """Always fails."""
        raise LookupError(city)

    agent = Agent(chat_generator=_generator(question), tools=[broken])
    with question.asked(requests=2):
        agent.run(messages=[ChatMessage.from_user("Call broken now.")])
