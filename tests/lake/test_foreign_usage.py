"""What other emitters count or time in ways of their own is right in the lake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lake import samples

import llm_otel
from llm_otel.foreign.names.reasons import why_no_call
from llm_otel.lake.decode import traces

Row = dict[str, Any]

SONNET = "claude-sonnet-4-5-20250929"
FLASH = "gemini-2.5-flash"
COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


def decoded(attributes: Row, **fields: Any) -> tuple[list[Row], Row]:
    """The rows of `calls` and the row of `spans` that a span gives."""
    body = samples.spans(attributes, **fields).SerializeToString()

    def fail(number: int) -> None:
        raise AssertionError(f"request {number} cannot be decoded")

    spans, calls, _ = traces.decode([body], fail)
    return calls.to_pylist(), spans.to_pylist()[0]


def counts(attributes: Row, **fields: Any) -> tuple[int | None, ...]:
    """The five counts of the one call that a span is."""
    (call,), _ = decoded(attributes, **fields)
    return tuple(call[name] for name in COUNTS)


def ai_sdk(operation: str, provider: str, model: str = SONNET, **more: Any) -> Row:
    return {
        "ai.operationId": operation,
        "ai.model.id": model,
        "ai.model.provider": provider,
        "gen_ai.system": provider,
        "gen_ai.request.model": model,
        **more,
    }


STREAM_5 = {
    "ai.usage.inputTokens": 8000,
    "ai.usage.outputTokens": 100,
    "ai.usage.totalTokens": 8100,
    "ai.usage.cachedInputTokens": 5000,
}
GENERATE_5 = {"ai.usage.promptTokens": 8000, "ai.usage.completionTokens": 100}
ANTHROPIC = {
    "input_tokens": 8000,
    "cache_read_input_tokens": 5000,
    "cache_creation_input_tokens": 2000,
    "output_tokens": 100,
}


def metadata(**of: Any) -> Row:
    return {"ai.response.providerMetadata": json.dumps(of)}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            ai_sdk("ai.streamText.doStream", "anthropic.messages", **STREAM_5),
            (13000, 100, 5000, None, None),
            id="5, a stream",
        ),
        pytest.param(
            ai_sdk("ai.streamText.doStream", "amazon-bedrock", **STREAM_5),
            (13000, 100, 5000, None, None),
            id="5, a stream of Bedrock",
        ),
        pytest.param(
            ai_sdk("ai.streamText.doStream", "vertex.anthropic.messages", **STREAM_5),
            (13000, 100, 5000, None, None),
            id="5, a stream of Claude on Vertex",
        ),
        pytest.param(
            ai_sdk("ai.streamText.doStream", "openai.responses", "gpt-4o", **STREAM_5),
            (8000, 100, 5000, None, None),
            id="5, a stream of OpenAI",
        ),
        pytest.param(
            ai_sdk(
                "ai.generateText.doGenerate",
                "anthropic.messages",
                **GENERATE_5,
                **metadata(anthropic={"usage": ANTHROPIC, "cacheCreationInputTokens": 2000}),
            ),
            (15000, 100, 5000, 2000, None),
            id="5, usage in the provider's metadata alone",
        ),
        pytest.param(
            ai_sdk(
                "ai.generateText.doGenerate",
                "anthropic.messages",
                **GENERATE_5,
                **metadata(
                    anthropic={"cacheReadInputTokens": 5000, "cacheCreationInputTokens": 2000}
                ),
            ),
            (15000, 100, 5000, 2000, None),
            id="4",
        ),
        pytest.param(
            ai_sdk(
                "ai.generateText.doGenerate",
                "amazon-bedrock",
                **GENERATE_5,
                **metadata(
                    bedrock={"usage": {"cacheReadInputTokens": 5000, "cacheWriteInputTokens": 9}}
                ),
            ),
            (13009, 100, 5000, 9, None),
            id="4, Bedrock",
        ),
        pytest.param(
            ai_sdk(
                "ai.streamText.doStream",
                "anthropic.messages",
                **{
                    **STREAM_5,
                    "ai.usage.inputTokens": 15000,
                    "ai.usage.totalTokens": 15100,
                    "ai.usage.inputTokenDetails.noCacheTokens": 8000,
                    "ai.usage.inputTokenDetails.cacheReadTokens": 5000,
                    "ai.usage.inputTokenDetails.cacheWriteTokens": 2000,
                },
                **metadata(anthropic={"usage": ANTHROPIC}),
            ),
            (15000, 100, 5000, 2000, None),
            id="6",
        ),
        pytest.param(
            ai_sdk(
                "ai.generateObject.doGenerate",
                "anthropic.messages",
                **{**GENERATE_5, "ai.usage.promptTokens": 15000},
                **metadata(anthropic={"usage": ANTHROPIC}),
            ),
            (15000, 100, 5000, 2000, None),
            id="6, an object, without details",
        ),
    ],
)
def test_cached_tokens_of_the_ai_sdk(attributes: Row, expected: tuple[int | None, ...]) -> None:
    """Up to version 5 Claude's cached tokens are beside the input, from version 6 on inside."""
    assert counts(attributes) == expected


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(json.dumps({"cache_read": 512, "audio": 0}), id="JavaScript"),
        pytest.param(str({"audio": 0, "cache_read": 512}), id="Python"),
    ],
)
def test_details_of_langsmith(details: str) -> None:
    """Parts of the counts, as JSON or as Python prints a dict; the model as LangChain has it."""
    span = {
        "langsmith.span.kind": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "langchain",
        "langsmith.metadata.ls_provider": "openai",
        "langsmith.metadata.ls_model_name": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.total_tokens": 1100,
        "gen_ai.usage.input_token_details": details,
        "gen_ai.usage.output_token_details": details.replace("cache_read", "reasoning").replace(
            "512", "64"
        ),
    }
    assert counts(span) == (1000, 100, 512, None, 64)
    (call,), _ = decoded(span)
    assert (call["provider"], call["model"]) == ("openai", "gpt-4o")
    cost = llm_otel.cost(
        {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 512}, model="gpt-4o"
    )
    assert cost is not None
    assert call["cost_usd"] == pytest.approx(cost.total)


def test_cached_tokens_that_langsmith_tells_by_their_lifetime() -> None:
    """LangChain leaves `cache_creation` at 0 where it has the parts."""
    span = {
        "langsmith.span.kind": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "anthropic",
        "gen_ai.request.model": SONNET,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.input_token_details": str(
            {
                "cache_read": 0,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 300,
                "ephemeral_1h_input_tokens": 200,
            }
        ),
    }
    assert counts(span) == (1000, 100, None, 500, None)


def test_usage_in_the_metadata_of_langsmith() -> None:
    span = {
        "langsmith.span.kind": "llm",
        "gen_ai.request.model": "gpt-4o",
        "langsmith.request.streaming": True,
        "langsmith.usage_metadata": json.dumps(
            {
                "input_tokens": 1000,
                "output_tokens": 100,
                "input_token_details": {"cache_read": 512},
                "output_token_details": {"reasoning": 64},
            }
        ),
    }
    assert counts(span) == (1000, 100, 512, None, 64)
    (call,), _ = decoded(span)
    assert call["streaming"] is True


BRAINTRUST = {
    "braintrust.span_attributes": '{"type":"llm"}',
    "braintrust.metadata": '{"provider":"openai","model":"gpt-4o"}',
}


def test_a_call_of_braintrust() -> None:
    """Only JSON texts say what it is; a task or a tool is none."""
    metrics = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "tokens": 1100,
        "prompt_cached_tokens": 512,
        "completion_reasoning_tokens": 64,
        "time_to_first_token": 0.25,
    }
    span = {**BRAINTRUST, "braintrust.metrics": json.dumps(metrics)}
    assert counts(span) == (1000, 100, 512, None, 64)
    (call,), _ = decoded(span)
    assert (call["provider"], call["model"], call["first_chunk_s"]) == ("openai", "gpt-4o", 0.25)
    calls, stored = decoded({**span, "braintrust.span_attributes": '{"type":"task"}'})
    assert not calls, stored["operation"]


@pytest.mark.parametrize(
    ("metrics", "output"),
    [
        # Go adds the cached tokens up; Java passes the answer on, and counts as Anthropic does.
        pytest.param(
            {"prompt_tokens": 15000, "completion_tokens": 100, "tokens": 15100,
             "prompt_cached_tokens": 5000, "prompt_cache_creation_tokens": 2000},
            [{"role": "assistant", "content": "hi"}],
            id="Go",
        ),
        pytest.param(
            {"prompt_tokens": 8000, "completion_tokens": 100, "tokens": 8100,
             "prompt_cached_tokens": 5000, "prompt_cache_creation_5m_tokens": 2000},
            {"type": "message", "usage": ANTHROPIC},
            id="Java",
        ),
    ],
)  # fmt: skip
def test_cached_tokens_of_braintrust(metrics: Row, output: Any) -> None:
    span = {
        **BRAINTRUST,
        "braintrust.metadata": json.dumps({"provider": "anthropic", "model": SONNET}),
        "braintrust.metrics": json.dumps(metrics),
        "braintrust.output_json": json.dumps(output),
    }
    assert counts(span) == (15000, 100, 5000, 2000, None)


@pytest.mark.parametrize(
    "metrics",
    [
        pytest.param({"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0.5}, id="Python"),
        pytest.param(
            {"type": "json", "value": {"promptTokens": 1000, "completionTokens": 100, "cost": 0.5}},
            id="TypeScript",
        ),
    ],
)
def test_a_call_of_langwatch(metrics: Row) -> None:
    span = {
        "langwatch.span.type": "llm",
        "gen_ai.request.model": "gpt-4o",
        "langwatch.metrics": json.dumps(metrics),
    }
    (call,), _ = decoded(span)
    assert (call["input_tokens"], call["output_tokens"], call["cost_usd"]) == (1000, 100, 0.5)
    assert not decoded({**span, "langwatch.span.type": "rag"})[0]


@pytest.mark.parametrize("captured", [True, False])
def test_thoughts_of_googles_adk(captured: bool) -> None:
    """Versions 1.28 to 2.0 tell thoughts beside the output, whether the answer is captured or not;
    the output of a model that is not Google's has them inside."""
    usage = {"prompt_token_count": 1000, "candidates_token_count": 100, "thoughts_token_count": 50,
             "total_token_count": 1150}  # fmt: skip
    span = {
        "gen_ai.system": "gcp.vertex.agent",
        "gen_ai.request.model": FLASH,
        "gcp.vertex.agent.llm_response": json.dumps({"usage_metadata": usage} if captured else {}),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.experimental.reasoning_tokens": 50,
    }
    assert counts(span, name="call_llm") == (1000, 150, None, None, 50)
    if not captured:
        other = {**span, "gen_ai.request.model": "openai/o3"}
        assert counts(other, name="call_llm") == (1000, 100, None, None, 50)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        pytest.param("gen_ai.server.time_to_first_token", 350, id="Strands, milliseconds"),
        pytest.param("gen_ai.response.time_to_first_token", 350_000_000, id="LoongSuite, ns"),
        pytest.param("gen_ai.streaming.time_to_first_token", 0.35, id="AgentOps"),
        pytest.param("agw.ai.time_to_first_token", 0.35, id="agentgateway"),
    ],
)
def test_time_to_the_first_token(name: str, whole: float) -> None:
    """Some have whole numbers of a smaller unit where others have seconds under the same name."""
    span = {**samples.CHAT, name: whole}
    span.pop("gen_ai.response.time_to_first_chunk", None)
    for value in (whole, 0.35):
        (call,), _ = decoded({**span, name: value})
        assert call["first_chunk_s"] == pytest.approx(0.35)


REQUEST = {
    "logfire.span_type": "span",
    "logfire.level_num": 9,
    "request_data": json.dumps({"messages": [], "model": "gpt-4o", "stream": True}),
    "gen_ai.provider.name": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "async": False,
}
STREAM = {
    **REQUEST,
    "logfire.span_type": "log",
    "duration": 1.25,
    "response_data": json.dumps(
        {
            "message": {"content": "hi"},
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "total_tokens": 1100,
                "prompt_tokens_details": {"cached_tokens": 512},
            },
        }
    ),
}
STREAM_NAME = "streaming response from {request_data[model]!r} took {duration:.2f}s"


def test_a_stream_of_logfire_is_the_log_at_its_end() -> None:
    """It has the usage, and says how long the stream took."""
    (call,), span = decoded(STREAM, name=STREAM_NAME, seconds=0)
    assert tuple(call[name] for name in COUNTS) == (1000, 100, 512, None, None)
    assert call["streaming"] is True
    assert (call["duration_s"], span["duration_s"]) == (1.25, 1.25)
    assert call["time"].timestamp() == pytest.approx(samples.NOW / 1e9 - 1.25, abs=1e-5)


def test_a_stream_of_an_older_logfire_names_no_operation() -> None:
    old = {key: value for key, value in STREAM.items() if not key.startswith("gen_ai.op")}
    nothing = {**old, "response_data": '{"combined_chunk_content":"hi","chunk_count":2}'}
    (call,), _ = decoded(nothing, name=STREAM_NAME, seconds=0)
    assert (call["operation"], call["input_tokens"], call["cost_usd"]) == ("chat", None, None)


def test_the_request_of_a_logfire_stream_is_no_call_of_its_own() -> None:
    calls, span = decoded(REQUEST, name="Chat Completion with {request_data[model]!r}")
    assert not calls
    assert "streaming response" in str(why_no_call(span["operation"], span["name"]))


def test_a_request_of_logfire_that_failed_is_a_call() -> None:
    """No stream came of it, so no log tells of it."""
    (call,), _ = decoded({**REQUEST, "logfire.level_num": 17}, status={"code": 2})
    assert call["status"] == "error"


def test_a_plain_answer_of_logfire() -> None:
    """Older ones left Claude's cached tokens out of the input, which the answer beside it tells."""
    span = {
        **REQUEST,
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": SONNET,
        "request_data": json.dumps({"messages": [], "model": SONNET}),
        "gen_ai.usage.input_tokens": 8000,
        "gen_ai.usage.output_tokens": 100,
        "response_data": json.dumps({"message": {"role": "assistant"}, "usage": ANTHROPIC}),
    }
    assert counts(span) == (15000, 100, 5000, 2000, None)
    (call,), _ = decoded(span)
    assert call["streaming"] is False
