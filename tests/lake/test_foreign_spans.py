"""Spans of other emitters: which of them are calls, with what tokens, cost, provider and model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lake import samples

import llm_otel
from llm_otel.foreign.names.reasons import why_no_call
from llm_otel.lake.decode import traces

Row = dict[str, Any]

USAGE = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
TEXT_USAGE = {"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "100"}
OPENAI_JSON = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 512},
}
SONNET = "claude-sonnet-4-5-20250929"
FLASH = "gemini-2.5-flash"


def decoded(attributes: Row, name: str = "span", **fields: Any) -> tuple[list[Row], Row]:
    """The rows of `calls` and the row of `spans` that a span gives."""
    request = samples.spans(attributes, name=name, **fields)

    def fail(number: int) -> None:
        raise AssertionError(f"request {number} cannot be decoded")

    spans, calls, _ = traces.decode([request.SerializeToString()], fail)
    return calls.to_pylist(), spans.to_pylist()[0]


def price(model: str, provider: str = "openai", **usage: int) -> float:
    """USD for 1,000 tokens in and 100 out, or another usage."""
    cost = llm_otel.cost(
        {"input_tokens": 1000, "output_tokens": 100, **usage}, model=model, provider=provider
    )
    assert cost is not None
    return cost.total


def ai_sdk(operation: str, provider: str, model: str, **more: Any) -> Row:
    """A span of Vercel's AI SDK."""
    return {
        "operation.name": f"{operation} answer",
        "ai.operationId": operation,
        "ai.model.id": model,
        "ai.model.provider": provider,
        **more,
    }


AI_TOKENS = {"ai.usage.inputTokens": 1000, "ai.usage.outputTokens": 100}
GENERATE = "ai.generateText.doGenerate"


@pytest.mark.parametrize(
    ("attributes", "provider", "cost"),
    [
        (ai_sdk(GENERATE, "openai.chat", "gpt-4o", **AI_TOKENS), "openai", price("gpt-4o")),
        (ai_sdk(GENERATE, "openai.responses", "gpt-4o", **{"ai.usage.promptTokens": 1000,
         "ai.usage.completionTokens": 100}), "openai", price("gpt-4o")),
        (ai_sdk(GENERATE, "anthropic.messages", SONNET, **AI_TOKENS), "anthropic",
         price(SONNET, "anthropic")),
        (ai_sdk(GENERATE, "google.generative-ai", FLASH, **AI_TOKENS), "gcp.gemini",
         price(FLASH, "gcp.gemini")),
        (ai_sdk(GENERATE, "google.vertex.chat", FLASH, **AI_TOKENS), "gcp.vertex_ai",
         price(FLASH, "gcp.gemini")),
        (ai_sdk(GENERATE, "azure-openai.responses", "gpt-4o", **AI_TOKENS), "azure.ai.openai",
         price("gpt-4o", "azure.ai.openai")),
        (ai_sdk(GENERATE, "amazon-bedrock", f"us.anthropic.{SONNET}-v1:0", **AI_TOKENS),
         "aws.bedrock", price(f"us.anthropic.{SONNET}-v1:0", "aws.bedrock")),
        (ai_sdk(GENERATE, "gateway", "openai/gpt-4o", **AI_TOKENS), None, price("gpt-4o")),
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.model.name": "gpt-4o",
          "langfuse.observation.usage_details": json.dumps(OPENAI_JSON)}, None,
         price("gpt-4o", cache_read_tokens=512)),
        ({"langfuse.observation.type": "generation",
          "langfuse.observation.model.name": "gpt-4o",
          "langfuse.observation.usage_details": json.dumps(
              {"input": 488, "input_cached_tokens": 512, "output": 100, "total": 1100})}, None,
         price("gpt-4o", cache_read_tokens=512)),
        ({"llm.vendor": "OpenAI", "llm.request.type": "chat", "llm.request.model": "gpt-4o",
          "llm.usage.prompt_tokens": 1000, "llm.usage.completion_tokens": 100}, "openai",
         price("gpt-4o")),
        ({"openinference.span.kind": "LLM", "llm.model_name": SONNET,
          "llm.token_count.prompt": 1000, "llm.token_count.completion": 100}, None,
         price(SONNET, "anthropic")),
        ({"mlflow.spanType": '"LLM"', "mlflow.spanInputs": '{"model": "gpt-4o"}',
          "mlflow.spanOutputs": json.dumps({"model": "gpt-4o-2024-08-06", "usage": OPENAI_JSON})},
         None, price("gpt-4o", cache_read_tokens=512)),
        ({"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-4o"',
          "mlflow.llm.provider": '"openai"',
          "mlflow.chat.tokenUsage": '{"input_tokens": 1000, "output_tokens": 100}'}, "openai",
         price("gpt-4o")),
        ({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.response.model":
          "none", "gen_ai.request.model": "gpt-4o", **TEXT_USAGE}, "openai", price("gpt-4o")),
        ({"gen_ai.operation.name": "chat.completions", "gen_ai.system": "openai",
          "gen_ai.request.model": "gpt-4o", **USAGE}, "openai", price("gpt-4o")),
        ({"gen_ai.operation.name": "acompletion", "llm.request.type": "acompletion",
          "gen_ai.system": "openai", "gen_ai.request.model": "openai/gpt-4o", **USAGE}, "openai",
         price("gpt-4o")),
        ({"gen_ai.operation.name": "chat", "gen_ai.system": "langchain",
          "gen_ai.request.model": FLASH, **USAGE}, None, price(FLASH, "gcp.gemini")),
        ({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "semantic-kernel",
          "gen_ai.request.model": "models/gemini-2.5-flash", **USAGE}, None,
         price(FLASH, "gcp.gemini")),
        ({"haystack.component.type": "OpenAIChatGenerator", "haystack.component.output":
          json.dumps({"replies": [{"meta": {"model": "gpt-4o", "usage": OPENAI_JSON}}]})}, None,
         price("gpt-4o", cache_read_tokens=512)),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", **USAGE}, "openai",
         price("gpt-4o")),
        ({"gen_ai.request.model": "gpt-4o", **USAGE}, None, price("gpt-4o")),
    ],
)  # fmt: skip
def test_a_request_is_a_call(attributes: Row, provider: str | None, cost: float) -> None:
    """One call, with 1,000 tokens in and 100 out, priced by its provider or else by its model."""
    (call,), _ = decoded(attributes)
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 100)
    assert call["provider"] == provider
    assert call["cost_usd"] == pytest.approx(cost)


def test_a_stream_of_the_ai_sdk() -> None:
    """Only its own words say that it is one; milliseconds are seconds here."""
    more = {**AI_TOKENS, "ai.response.msToFirstChunk": 330.5, "ai.response.finishReason": "stop"}
    (call,), _ = decoded(ai_sdk("ai.streamText.doStream", "openai.chat", "gpt-4o", **more))
    assert call["streaming"] is True
    assert call["first_chunk_s"] == pytest.approx(0.3305)
    assert call["finish_reasons"] == ["stop"]


def test_embeddings_of_the_ai_sdk() -> None:
    """Their tokens are one number, all of them input."""
    tokens = {"ai.usage.tokens": 1000}
    attributes = ai_sdk("ai.embedMany.doEmbed", "openai.embedding", "text-embedding-3-small")
    (call,), _ = decoded({**attributes, **tokens})
    assert (call["operation"], call["input_tokens"]) == ("embeddings", 1000)
    assert call["cost_usd"] == pytest.approx(2e-5)


def test_thoughts_of_genkit_are_output() -> None:
    """They stand beside the answer, as its total shows, and are billed with it."""
    usage = {
        "inputTokens": 1000, "outputTokens": 100, "thoughtsTokens": 50, "totalTokens": 1150,
    }  # fmt: skip
    attributes = {
        "genkit:type": "action",
        "genkit:metadata:subtype": "model",
        "genkit:name": "googleai/gemini-2.5-flash",
        "genkit:output": json.dumps({"usage": usage, "finishReason": "stop"}),
    }
    (call,), span = decoded(attributes)
    found = [call[name] for name in ("output_tokens", "reasoning_tokens", "provider", "model")]
    assert found == [150, 50, "gcp.gemini", FLASH]
    assert "genkit:output" not in span["attributes"]


def test_a_request_of_claude_code() -> None:
    """Its spans count cached tokens beside the input."""
    attributes = {
        "span.type": "llm_request", "model": SONNET, "input_tokens": 1000, "output_tokens": 100,
        "cache_read_tokens": 5000, "ttft_ms": 300, "request_id": "req_1", "success": True,
    }  # fmt: skip
    (call,), _ = decoded(attributes, "claude_code.llm_request")
    assert (call["input_tokens"], call["provider"], call["response_id"]) == (
        6000, "anthropic", "req_1",
    )  # fmt: skip
    assert call["first_chunk_s"] == pytest.approx(0.3)
    assert call["cost_usd"] == pytest.approx(0.006)
    (failed,), _ = decoded(
        {**attributes, "success": False, "status_code": 429}, "claude_code.llm_request"
    )
    assert (failed["status"], failed["error_type"]) == ("error", "rate_limit")


@pytest.mark.parametrize(
    "name",
    ["gen_ai.usage.cost", "gen_ai.cost.total_cost", "llm.usage.total_cost", "llm.cost.total",
     "operation.cost"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.5, 0.5), (1, 1.0), ("0.25", 0.25),
        # Not taken: our price stands in.
        (-1, 0.0035), (0, 0.0035), (1e9, 0.0035), ("free", 0.0035), (float("nan"), 0.0035),
    ],
)  # fmt: skip
def test_a_cost_of_the_sender(name: str, amount: Any, expected: float) -> None:
    """It is taken where it can be one; 0 for tokens is what senders write without a price."""
    (call,), span = decoded(
        {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", name: amount,
         "gen_ai.request.model": "gpt-4o", **USAGE}
    )  # fmt: skip
    assert call["cost_usd"] == pytest.approx(expected)
    if expected == 0.0035:
        assert name in json.loads(span["attributes"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("langfuse.observation.cost_details", '{"input": 0.1, "output": 0.2, "total": 0.3}'),
        ("mlflow.llm.cost", '{"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}'),
        ("hidden_params", '{"response_cost": 0.3}'),
        ("langfuse.observation.cost_details", '{"input": 0.1, "output": 0.2}'),
        ("ai.response.providerMetadata", '{"gateway": {"cost": "0.3"}}'),
    ],
)
def test_a_cost_in_json(name: str, text: str) -> None:
    """The sum, not its parts."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "mine", **USAGE}
    (call,), _ = decoded({**attributes, name: text})
    assert call["cost_usd"] == pytest.approx(0.3)


def test_a_cached_answer_is_free() -> None:
    """LiteLLM says so; there 0 is the cost."""
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "litellm.cache_hit": "True",
        "gen_ai.cost.total_cost": 0.0, "gen_ai.request.model": "gpt-4o", **USAGE,
    }  # fmt: skip
    (call,), _ = decoded(attributes)
    assert call["cost_usd"] == 0.0


def test_texts_of_litellm_are_read() -> None:
    """Booleans and lists, as its callback writes them."""
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "llm.is_streaming": "False",
        "gen_ai.response.finish_reasons": '["stop"]', "gen_ai.request.model": "gpt-4o", **USAGE,
    }  # fmt: skip
    (call,), _ = decoded(attributes)
    assert (call["streaming"], call["finish_reasons"]) == (False, ["stop"])


@pytest.mark.parametrize(
    ("attributes", "name", "reason"),
    [
        (ai_sdk("ai.generateText", "openai.chat", "gpt-4o", **AI_TOKENS), "ai.generateText",
         "ai.generateText.doGenerate"),
        (ai_sdk("ai.embed", "openai.embedding", "m", **{"ai.usage.tokens": 3}), "ai.embed",
         "ai.embed.doEmbed"),
        ({"langfuse.observation.type": "span"}, "answer", "framework"),
        ({"mlflow.spanType": '"AGENT"', "mlflow.llm.model": '"gpt-4o"',
          "mlflow.chat.tokenUsage": '{"input_tokens": 1, "output_tokens": 2}'}, "a", "an agent"),
        ({"genkit:type": "util", "genkit:name": "generate",
          "genkit:output": '{"usage": {"inputTokens": 1, "outputTokens": 1}}'}, "generate",
         "framework"),
        ({"genkit:type": "action", "genkit:metadata:subtype": "flow"}, "menu", "workflow"),
        ({"model_name": "gpt-4o", "agent_name": "a", **USAGE}, "agent run", "an agent"),
        ({"gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai"}, "x", "framework"),
        ({"llm.openai.model": "gpt-4o"}, "raw_gen_ai_request", "LiteLLM"),
        ({"span.type": "interaction"}, "claude_code.interaction", "an agent"),
        (dict(USAGE), "handle_responses", "codex.sse_event"),
        ({"http.request.method": "GET"}, "GET /", "HTTP"),
        ({}, "work", "names no operation"),
        # LiteLLM's callback wrote onto a span that was made for something else.
        ({"gen_ai.operation.name": "chat", "gen_ai.workflow.name": "w", "gen_ai.system": "openai",
          "gen_ai.request.model": "gpt-4o", **USAGE}, "invoke_workflow w", "workflow"),
        ({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "gpt-4o", **USAGE}, "invoke_agent a", "an agent"),
        ({"traceloop.span.kind": "workflow", "llm.request.type": "completion",
          "gen_ai.request.model": "gpt-4o", **USAGE}, "answer.workflow", "workflow"),
        ({"openinference.span.kind": "CHAIN", "gen_ai.operation.name": "chat",
          "gen_ai.request.model": "gpt-4o", **USAGE}, "RunnableSequence", "workflow"),
    ],
)  # fmt: skip
def test_what_is_no_call_has_a_reason(attributes: Row, name: str, reason: str) -> None:
    """Stored, not counted, and why can be told."""
    calls, span = decoded(attributes, name)
    assert calls == []
    told = why_no_call(span["operation"], span["name"])
    assert told is not None
    assert reason in told


def test_a_call_has_no_reason() -> None:
    """Why it is none is asked of the others."""
    assert why_no_call("chat", "chat gpt-4o") is None


def test_a_framework_stays_visible() -> None:
    """It is no provider; the span keeps what it was called."""
    _, span = decoded({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "crewai"})
    assert span["provider"] is None
    assert json.loads(span["attributes"])["gen_ai.system"] == "crewai"


def test_a_providers_own_name_stays_as_it_is() -> None:
    """A name that nobody knows may be the user's own."""
    _, span = decoded({"gen_ai.operation.name": "chat", "gen_ai.system": "Our-Host.v2"})
    assert span["provider"] == "Our-Host.v2"


@pytest.mark.parametrize(
    "text", ["", "not json", "[]", "null", '{"usage": 3}', "[" * 5000, '{"input": "many"}']
)
def test_json_that_is_none_does_no_harm(text: str) -> None:
    """The span is stored with what else it says."""
    for name in ("langfuse.observation.usage_details", "mlflow.spanOutputs", "genkit:output"):
        (call,), _ = decoded(
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", name: text}
        )
        assert (call["model"], call["input_tokens"]) == ("gpt-4o", None)


GEMINI = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "gcp.gemini",
          "gen_ai.request.model": FLASH}  # fmt: skip
ADK_USAGE = {"prompt_token_count": 1000, "candidates_token_count": 100, "thoughts_token_count": 50}
ADK = json.dumps({"usage_metadata": {**ADK_USAGE, "total_token_count": 1150}})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({**GEMINI, **USAGE, "gen_ai.usage.reasoning.output_tokens": 500}, (1000, 600)),
        ({**GEMINI, **USAGE, "gen_ai.usage.total_tokens": 1150}, (1000, 150)),
        ({**GEMINI, "gcp.vertex.agent.llm_response": ADK, **USAGE}, (1000, 150)),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e",
          "gen_ai.usage.total_tokens": 9}, (9, None)),
        ({"gen_ai.operation.name": "ask_model", "gen_ai.request.model": "gpt-4o", **USAGE},
         (1000, 100)),
        ({**GEMINI, **USAGE, "gen_ai.usage.input_tokens": "", "llm.token_count.prompt": 7},
         (7, 100)),
    ],
    ids=["thoughts beside", "thoughts in the total", "the answer in JSON", "a total alone",
         "an operation of one's own", "an empty name beside an older one"],
)  # fmt: skip
def test_counts_that_are_told_in_other_ways(
    attributes: Row, expected: tuple[int, int | None]
) -> None:
    """Each is billed."""
    (call,), _ = decoded(attributes)
    assert (call["input_tokens"], call["output_tokens"]) == expected


def test_an_agents_sum_is_no_call() -> None:
    """Under a word of its own, with a model and usage."""
    calls, _ = decoded(
        {"gen_ai.operation.name": "run_agent", "gen_ai.request.model": "gpt-4o", **USAGE}
    )
    assert calls == []
