"""LiteLLM: each request once, however it is called. Its HTTP paths are tested in conformance."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm = pytest.importorskip("litellm")

from frameworks.parts import MODEL, Question

MESSAGES = [{"role": "user", "content": "Hello there"}]


def _options(question: Question) -> dict[str, Any]:
    return {
        "model": f"openai/{MODEL}",
        "messages": MESSAGES,
        "api_base": question.p.url,
        "api_key": "test",
    }


def _complete(question: Question) -> None:
    litellm.completion(**_options(question))


def _stream(question: Question) -> None:
    for _ in litellm.completion(**_options(question), stream=True):
        pass


def _asynchronous(question: Question) -> None:
    asyncio.run(litellm.acompletion(**_options(question)))


def _router(question: Question) -> None:
    options = _options(question)
    parameters = {k: v for k, v in options.items() if k != "messages"}
    router = litellm.Router(model_list=[{"model_name": "any", "litellm_params": parameters}])
    router.completion(model="any", messages=MESSAGES)


@pytest.mark.parametrize("run", [_complete, _stream, _asynchronous, _router])
def test_call(question: Question, run: Any) -> None:
    """One request is one call of the program's step."""
    with question.asked(requests=1):
        run(question)
    assert question.tree == [f"chat {MODEL}"]
