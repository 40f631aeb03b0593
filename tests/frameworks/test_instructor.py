"""instructor: structured answers, whole and in parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

instructor = pytest.importorskip("instructor")

import openai
from frameworks.parts import MODEL, Question
from pydantic import BaseModel

MESSAGES = [{"role": "user", "content": "Who?"}]


class Person(BaseModel):
    """An answer."""

    name: str
    age: int


def _create(question: Question) -> Any:
    client = instructor.from_openai(openai.OpenAI(base_url=question.p.url, api_key="test"))
    return client.create(model=MODEL, response_model=Person, messages=MESSAGES)


def _partial(question: Question) -> Any:
    client = instructor.from_openai(openai.OpenAI(base_url=question.p.url, api_key="test"))
    parts = client.create_partial(model=MODEL, response_model=Person, messages=MESSAGES)
    return list(parts)[-1]


def _asynchronous(question: Question) -> Any:
    async def run() -> Any:
        client = openai.AsyncOpenAI(base_url=question.p.url, api_key="test")
        asked = instructor.from_openai(client)
        return await asked.create(model=MODEL, response_model=Person, messages=MESSAGES)

    return asyncio.run(run())


@pytest.mark.parametrize("run", [_create, _partial, _asynchronous])
def test_answer(question: Question, run: Any) -> None:
    """One answer is one call."""
    with question.asked(requests=1):
        assert isinstance(run(question).name, str)
    assert question.tree == [f"chat {MODEL}"]


def test_answer_that_is_asked_for_again(question: Question) -> None:
    """An answer of a wrong form is asked for again: two requests, two calls."""
    question.will_call("Person", name="Ann")
    with question.asked(requests=2):
        _create(question)
    assert question.tree == [f"chat {MODEL}"] * 2
