"""Names and kinds of spans of emitters that few use, by their sources."""

from __future__ import annotations

from typing import Any

import pytest
from lake.test_foreign_usage import COUNTS, Row, decoded

MODEL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
TOKENS = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("llm.token_count.prompt_details.cache_creation", "cache_write_tokens", 20),
        ("gen_ai.usage.input_tokens.cache_write", "cache_write_tokens", 20),
        ("gen_ai.usage.prompt_tokens_details.cache_creation_tokens", "cache_write_tokens", 20),
        ("gen_ai.usage.output_tokens.reasoning", "reasoning_tokens", 20),
        ("gen_ai.usage.reasoning_output_tokens", "reasoning_tokens", 20),
        ("gen_ai.usage.completion_tokens_details.reasoning_tokens", "reasoning_tokens", 20),
        ("gen_ai.response.streaming", "streaming", True),
        ("litellm.request.streaming", "streaming", True),
        ("litellm.cost.total", "cost_usd", 0.5),
        ("agw.ai.usage.cost.total", "cost_usd", 0.5),
        ("vercel.ai_gateway.cost.total", "cost_usd", 0.5),
        ("dify.tenant_id", "tenant_id", "acme"),
        ("gen_ai.session.id", "session_id", "s1"),
        ("gen_ai.model_name", "model", "gpt-4o"),
        ("gen_ai.request.model_name", "model", "gpt-4o"),
        ("gen_ai.model", "model", "gpt-4o"),
        ("gen_ai.response.service_tier", "service_tier", "flex"),
    ],
)
def test_another_name(name: str, column: str, value: Any) -> None:
    """What it says is in the column, and the counts beside it are as they were."""
    (call,), _ = decoded({**MODEL, **TOKENS, name: value})
    assert call[column] == value
    assert [call[each] for each in COUNTS[:2]] == [1000, 100]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("gen_ai.model.provider", "openai"),
        ("vercel.ai_gateway.provider", "openai"),
        ("gen_ai.provider.name", "langgenius/openai/openai"),
    ],
)
def test_who_answers_a_gateway(name: str, word: str) -> None:
    """Dify names the plugin, the others have names of their own for the provider's name."""
    span = {"gen_ai.request.model": "gpt-4o", **TOKENS, name: word}
    (call,), _ = decoded(span)
    assert call["provider"] == "openai"


RUN = {
    "gen_ai.system": "az.ai.agents",
    "gen_ai.thread.run.id": "run_1",
    "gen_ai.agent.id": "asst_1",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"gen_ai.operation.name": "process_thread_run", **RUN}, id="a run"),
        pytest.param({"gen_ai.operation.name": "get_thread_run", **RUN}, id="its result"),
        pytest.param(
            {
                **RUN,
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": "microsoft.foundry",
                "gen_ai.agent.name": "helper",
                "gen_ai.response.id": "run_1",
            },
            id="an agent in Foundry",
        ),
    ],
)
def test_a_run_at_azure_is_a_call(attributes: Row) -> None:
    """The agent runs at the provider: nothing else tells of what the model used."""
    (call,), _ = decoded(attributes)
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 100)
    assert (call["response_id"], call["provider"]) == ("run_1", "azure.ai.inference")
    assert call["cost_usd"] == pytest.approx(0.0035)
    without = {key: value for key, value in attributes.items() if "usage" not in key}
    assert not decoded(without)[0]


def test_an_agent_of_a_framework_is_no_call() -> None:
    """Its model calls are spans of their own."""
    span = {**RUN, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    assert not decoded(span)[0]


@pytest.mark.parametrize("name", ["call_llm", "litellm_request", "llm_request"])
def test_a_request_without_usage_is_a_call(name: str) -> None:
    """Its name says that it is one; what it used is unknown, as of an answer that never came."""
    for attributes in ({"gen_ai.request.model": "gpt-4o"}, {"llm.request.model": "gpt-4o"}):
        (call,), _ = decoded(attributes, name=name)
        assert [call[each] for each in (*COUNTS[:2], "cost_usd")] == [None] * 3
        assert not decoded(attributes, name="step")[0]
    assert not decoded({}, name=name)[0]


def test_counts_in_json_may_be_texts() -> None:
    usage = '{"input":"1000","output":"100","input_cached_tokens":"no"}'
    span = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": usage,
    }
    (call,), _ = decoded(span)
    assert [call[each] for each in COUNTS] == [1000, 100, None, None, None]
