"""Older names, a column at a time: the same tables as one span at a time, whatever is in them."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from lake import samples
from lake.test_vectors import rows, slowly

from llm_otel.lake.decode import older_columns, traces, vectors

# What emitters send, each with messages, counts and who asked.
CALLS: list[dict[str, Any]] = [
    {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.provider": "openai",
     "llm.system": "openai", "input.value": '{"messages": []}', "output.value": 'a "b"\n100 %',
     "llm.input_messages.0.message.role": "system",
     "llm.input_messages.0.message.content": "Be kind: 100 %s",
     "llm.input_messages.1.message.role": "user",
     "llm.input_messages.1.message.content": 'ž "quoted" \\ back',
     "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
     "llm.output_messages.0.message.role": "assistant", "llm.token_count.prompt": 30,
     "llm.token_count.completion": 4, "llm.token_count.total": 34, "session.id": "s",
     "llm.token_count.prompt_details.cache_read": 10, "llm.invocation_parameters": "{}"},
    {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "text-embedding-3-small",
     "llm.token_count.prompt": 12, "embedding.embeddings.0.embedding.text": "hello"},
    {"openinference.span.kind": "CHAIN", "input.value": "in", "output.value": "{}"},
    {"llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o-mini",
     "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hello",
     "gen_ai.prompt.10.role": "user", "gen_ai.prompt.10.content": "last",
     "gen_ai.prompt.2.role": "tool", "gen_ai.completion.0.finish_reason": "stop",
     "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "hi",
     "gen_ai.usage.prompt_tokens": 1000, "gen_ai.usage.completion_tokens": 100,
     "llm.usage.total_tokens": 1100, "gen_ai.usage.cache_read_input_tokens": 0,
     "traceloop.association.properties.team": "blue", "llm.is_streaming": "True",
     "traceloop.association.properties.tenant_id": "acme", "traceloop.workflow.name": "w",
     "gen_ai.response.finish_reason": "FinishReason.STOP"},
    {"traceloop.span.kind": "task", "traceloop.entity.input": "[]", "traceloop.entity.name": "t"},
    {"ai.operationId": "ai.streamText.doStream", "ai.model.id": "gpt-4o",
     "ai.model.provider": "openai.responses", "gen_ai.system": "openai.responses",
     "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000,
     "gen_ai.usage.output_tokens": 100, "ai.usage.inputTokens": 1000, "ai.usage.promptTokens": 7,
     "ai.response.msToFirstChunk": 33.5, "gen_ai.response.finish_reasons": ["stop"],
     "ai.response.finishReason": "stop", "ai.prompt.messages": "[1]", "ai.response.text": "yes",
     "ai.response.providerMetadata": '{"openai": {}}', "ai.telemetry.metadata.userId": "u"},
    {"ai.operationId": "ai.streamText", "ai.usage.outputTokens": 5, "ai.prompt": "{}"},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "operation.cost": 0.25,
     "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": 10,
     "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cache_read_input_tokens": 500,
     "gen_ai.input.messages": "[]", "gen_ai.response.finish_reasons": '["end_turn"]'},
    {"llm.request.type": "chat", "gen_ai.system": "Google", "gen_ai.usage.prompt_tokens": 100,
     "gen_ai.request.model": "gemini-2.5-pro", "gen_ai.usage.completion_tokens": 20,
     "llm.usage.total_tokens": 150, "gen_ai.usage.reasoning_tokens": 30},
    {"openinference.span.kind": "LLM", "llm.model_name": "claude-sonnet-4-5",
     "llm.provider": "anthropic", "llm.token_count.prompt": 10, "llm.token_count.total": 1530,
     "llm.token_count.completion": 20, "llm.token_count.prompt_details.cache_read": 1000,
     "llm.token_count.prompt_details.cache_write": 500},
    {"llm.request.type": "embedding", "gen_ai.system": "openai", "llm.usage.total_tokens": 12,
     "gen_ai.request.model": "text-embedding-3-small"},
    {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o",
     "langfuse.observation.usage_details": '{"input": 10, "output": 5, "total": 15}',
     "langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}',
     "langfuse.observation.model.parameters": '{"temperature": 0.7}',
     "langfuse.observation.input": '[{"role": "user"}]', "langfuse.observation.output": "ok",
     "langfuse.user.id": "u"},
    {"gen_ai.system": "spring_ai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "none",
     "gen_ai.response.model": "gpt-4o", "gen_ai.usage.input_tokens": "10",
     "gen_ai.usage.output_tokens": "5", "gen_ai.usage.total_tokens": "15"},
    samples.CHAT,
    {"http.request.method": "GET"},
]  # fmt: skip

# Names that may stand beside these or in their place, with usual values and with others.
NAMES = (
    "ai.model.provider", "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.noCacheTokens",
    "ai.response.providerMetadata", "gen_ai.usage.experimental.reasoning_tokens", "request_data",
    "response_data", "logfire.span_type", "logfire.level_num", "duration", "genkit:name",
    "gen_ai.usage.input_token_details", "gen_ai.server.time_to_first_token",
    "gen_ai.response.time_to_first_token", "braintrust.span_attributes", "braintrust.metadata",
    "braintrust.metrics", "langwatch.metrics", "langsmith.usage_metadata",
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model",
    "gen_ai.response.model", "llm.model_name", "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens", "llm.usage.prompt_tokens", "llm.token_count.completion",
    "gen_ai.usage.cost", "gen_ai.usage.cost.amount", "llm.cost.total", "operation.cost",
    "gen_ai.usage.cost.currency", "gen_ai.request.stream", "llm.is_streaming",
    "gen_ai.is_streaming", "gen_ai.response.finish_reasons", "llm.finish_reason",
    "gen_ai.response.time_to_first_chunk", "ai.response.msToFirstChunk", "ttft_ms",
    "openinference.span.kind", "traceloop.span.kind", "langfuse.observation.type",
    "gen_ai.span.kind", "ai.operationId", "genkit:type", "gen_ai.workflow.name",
    "gen_ai.agent.name", "agent.name", "input.value", "output.value", "gen_ai.input.messages",
    "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt.0.content",
    "gen_ai.prompt.0.role", "llm.prompts.0.content", "gen_ai.prompt.00.content",
    "gen_ai.completion.1.a%b", "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.reasoning_tokens", "gen_ai.usage.total_tokens", "langfuse.observation.level",
    "success", "error", "error.type", "litellm.cache_hit", "genkit:name", "user.id",
    "traceloop.association.properties.team", "llm_otel.tag.team", "hidden_params",
    "langfuse.observation.model.parameters", "ai.response.providerMetadata",
    "langfuse.observation.usage_details", "langfuse.observation.cost_details",
    "mlflow.chat.tokenUsage", "mlflow.llm.cost", "session.id", "feature",
)  # fmt: skip
VALUES: list[Any] = [
    "", "{}", "chat", "LLM", "Embedding", "ai.streamText.doStream", "none", "openai", "langchain",
    "OpenAI.chat", "CHAT.COMPLETIONS", "converse_stream", "my_call", "text-embedding-3-small",
    "gpt-4o", "true", "False", "ERROR", "12", "0.5", "util", "[1, null]", '["a", "b"]', "[broken",
    "a,FinishReason.MAX_TOKENS", 'with "quotes" and 100 %s', "\x00", '\x000\x00', "ž\n",
    '{"stream": true}', '{"str\\u0065am": true}', '{"gateway": {"cost": "0.001"}}',
    '{"response_cost": 0.25}', '{"input": 3, "output": 4}', '{"total_cost": 0.5}', '{"total": 0}',
    '{"type": "llm"}', '{"anthropic": {"usage": {"input_tokens": 9}, "cacheReadInputTokens": 2}}',
    '{"usage": {"prompt_tokens": 6}}', '{"cache_read": 3}', "{'cache_read': 3}", "anthropic", "log",
    "claude-sonnet-4-5", "gemini-2.5-pro", "microsoft.foundry", "get_thread_run", "invoke_agent",
    0, 1, 7, -1, 2**62, 0.0, 0.5, 1e300, float("nan"), float("inf"), True, False, None,
    [], ["stop"], ["FinishReason.STOP", 1],
]  # fmt: skip
SPANS = ("chat gpt-4o", "invoke_agent helper", "execute_tool", "call_llm", "llm_request", "",
         "retrieval x", "claude_code.llm_request")  # fmt: skip


def requests(seed: int, *, changes: int) -> list[bytes]:
    """Spans of all emitters, some of their attributes left out and up to `changes` others set."""
    source = random.Random(seed)
    made = []
    for number in range(40):
        many = []
        for _ in range(source.randrange(1, 6)):
            kept = source.random() < 0.5
            attributes = {
                name: value
                for name, value in source.choice(CALLS).items()
                if kept or source.random() < 0.8
            }
            for name in source.sample(NAMES, source.randrange(changes + 1)):
                attributes[name] = source.choice(VALUES)
            many.append(dict(source.sample(sorted(attributes.items(), key=str), len(attributes))))
        name = source.choice(SPANS)
        request = samples.spans(*many, seed=seed * 1000 + number, name=name)
        made.append(request.SerializeToString())
    return made


def differences(one: pa.Table, other: pa.Table) -> list[tuple[Any, ...]]:
    """The columns in which two tables differ, with the values of both and the span's attributes."""
    assert len(one) == len(other)
    return [
        (column, value, right[column], left.get("attributes"), left["name"])
        for left, right in zip(rows(one), rows(other))
        for column, value in left.items()
        if value != right[column]
    ]


def agree(bodies: list[bytes]) -> None:
    """Both ways give the same rows."""
    spans, calls, of_call = traces.decode(bodies, pytest.fail)
    expected = slowly(bodies)
    assert differences(spans, expected[0]) == []
    assert differences(calls, expected[1]) == []
    span_ids = spans["span_id"].to_pylist()
    assert [span_ids[at] for at in of_call] == calls["span_id"].to_pylist()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("changes", [0, 1, 4])
def test_both_ways_give_the_same_tables(
    seed: int, changes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever names meet on a span, whatever values they have."""
    agree(requests(seed, changes=changes))
    assert "one span at a time" not in caplog.text


@pytest.mark.parametrize("first", VALUES)
def test_one_name_with_any_value_gives_the_same_tables(first: Any) -> None:
    """Each name alone, on a span that is a call otherwise."""
    call = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}
    spans = [{**call, "gen_ai.operation.name": "chat", name: first} for name in NAMES]
    spans += [{**call, "llm.usage.prompt_tokens": 5, name: first} for name in NAMES]
    agree([samples.spans(each, seed=n).SerializeToString() for n, each in enumerate(spans)])


def test_repeated_names_and_rows_out_of_the_way() -> None:
    """An attribute that is sent twice, and a request whose spans have none."""
    request = samples.spans({"gen_ai.system": "openai", "llm.request.type": "chat"}, {})
    for word in ("azure", "bedrock"):
        span = request.resource_spans[0].scope_spans[0].spans[0]
        samples.fill(span.attributes, {"gen_ai.system": word, "gen_ai.prompt.0.content": word})
    agree([samples.spans(samples.CHAT, seed=2).SerializeToString(), request.SerializeToString()])


@pytest.mark.parametrize("call", CALLS[:11])
def test_what_emitters_send_is_translated_by_columns(
    call: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No span of these is left to the way that goes one at a time."""

    def fail(lists: pa.Array, *_: Any) -> None:
        raise AssertionError(f"left to the slow way: {lists}")

    monkeypatch.setattr(older_columns, "normalised", fail)
    assert vectors.decode([samples.spans(call, {}).SerializeToString()]).left == []


ODD: dict[str, dict[str, Any]] = {
    "a provider that is a list": {
        "gen_ai.provider.name": ["anthropic"],
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.cache_read_input_tokens": 3,
    },
    "a workflow that is a number": {**samples.CHAT, "gen_ai.workflow.name": 7},
    "reasons with nothing among them": {
        **samples.CHAT,
        "gen_ai.response.finish_reasons": ["stop", None],
    },
    "cached tokens alone": {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.cache_read.input_tokens": 0,
    },
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values_of_names_of_today(case: str) -> None:
    """None of these is set aside, and both ways read them the same."""
    agree([samples.spans({"gen_ai.operation.name": "chat", **ODD[case]}).SerializeToString()])


@pytest.mark.parametrize("way", [traces.decode, lambda bodies, _: slowly(bodies)])
def test_cached_tokens_alone_have_no_cost(way: Any) -> None:
    """What was billed is not known: no cost, rather than 0."""
    attributes = {"gen_ai.operation.name": "chat", **ODD["cached tokens alone"]}
    _, calls, _ = way([samples.spans(attributes).SerializeToString()], pytest.fail)
    assert calls["cost_usd"].to_pylist() == [None]


def test_usage_beside_the_input_takes_no_request_to_the_slow_way() -> None:
    """Anthropic's cached tokens are added to the input, in the batch where they are."""
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.system": "Anthropic",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.prompt_tokens": 10,
        "gen_ai.usage.completion_tokens": 20,
        "gen_ai.usage.cache_read_input_tokens": 1000,
        "gen_ai.usage.cache_creation_input_tokens": 500,
    }
    decoded = vectors.decode([samples.spans(samples.CHAT, attributes).SerializeToString()])
    assert decoded.left == []
    assert decoded.calls["input_tokens"].to_pylist() == [1000, 1510]
