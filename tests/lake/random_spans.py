"""Requests with random spans: our own, those of other emitters, and ones that nobody sends."""

from __future__ import annotations

import random
from typing import Any

from lake import samples

EVENT = {"name": "exception", "time_unix_nano": samples.NOW}
LINK = {"trace_id": b"l" * 16, "span_id": b"m" * 8}

# Each may or may not be on a span.
EXTRAS: list[dict[str, Any]] = [
    {"user.hash": "f" * 64},
    {"user.id": "someone"},
    {"user.hash": "", "user.id": "someone else"},
    {"session.id": "s", "gen_ai.conversation.id": "c"},
    {"llm_otel.tag.team": "blue", "llm_otel.tag.stage": "beta"},
    {"llm_otel.tag.number": 3},
    {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.25},
    {"gen_ai.request.stream": False},
    {"gen_ai.usage.cache_creation.input_tokens": 5},
    {"gen_ai.usage.cache_write.input_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 7},
    {"gen_ai.usage.cost.currency": "EUR"},
    {"openai.request.service_tier": "auto", "openai.response.service_tier": "flex"},
    {"openai.request.service_tier": "auto"},
    {"http.request.resend_count": 2, "http.response.status_code": 500},
    {"error.type": "openai.RateLimitError"},
    {"error.type": "_OTHER", "http.response.status_code": 503},
    {"error.type": "x", "llm_otel.error.class": "timeout"},
    {"gen_ai.response.finish_reasons": ["cancelled"]},
    {"gen_ai.response.finish_reasons": ["stop", 'with "quotes"', ""]},
    {"gen_ai.response.finish_reasons": []},
    {"gen_ai.input.messages": '[{"role": "user"}]' * 80},
    {"gen_ai.input.messages": "short", "gen_ai.system_instructions": "Be kind."},
    {"quotes": 'a "b" \\ c\n\t\x01', "unicode": "žluťoučký 🐎", "empty": ""},
    {"numbers": [1, 2.5, True, "x"], "nested": [["a"], ["b"]], "negative": -1, "large": 2**62},
    {"nan": float("nan"), "infinite": float("inf"), "small": 5e-324, "whole": 3.0},
    {"nothing": None, "gen_ai.usage.input_tokens": None, "tenant_id": None},
    {"gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "2"},
    {"llm_otel.cost.status": "incomplete", "llm_otel.usage.source": "provider"},
    {"llm_otel.cost.status": "unpriced", "gen_ai.response.model": "nobody-knows-this-one"},
    {"llm_otel.usage.source": "unknown"},
    {"llm_otel.usage.source": "estimated"},
    {"gen_ai.usage.cache_read.input_tokens": 200},
    {"gen_ai.usage.input_tokens": None, "gen_ai.usage.cost.amount": None},
]
KINDS: list[dict[str, Any]] = [
    samples.CHAT,
    {**samples.CHAT, "gen_ai.usage.total_tokens": 1100},
    {key: value for key, value in samples.CHAT.items() if "cost" not in key},
    {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"},
    {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"},
    {"http.request.method": "GET"},
    {},
]
# Other names, words and types of values than ours.
OTHERS: list[dict[str, Any]] = [
    {"gen_ai.system": "openai", "llm.request.type": "chat"},
    {"openinference.span.kind": "LLM", "llm.token_count.prompt": 3},
    {**samples.CHAT, "gen_ai.usage.input_tokens": "12"},
    {**samples.CHAT, "gen_ai.usage.cost.amount": 1},
    {**samples.CHAT, "tenant_id": 7},
    # Names of today with words of others.
    {**samples.CHAT, "gen_ai.operation.name": "chat.completions"},
    {**samples.CHAT, "gen_ai.provider.name": "openai.chat"},
    {**samples.CHAT, "gen_ai.provider.name": "langchain"},
    {**samples.CHAT, "gen_ai.workflow.name": "w"},
    {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 3},
    {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o"},
    {"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 3},
    {"mlflow.spanType": '"LLM"', "mlflow.spanOutputs": "{}"},
    {"genkit:type": "util", "genkit:output": "{}"},
    {**samples.CHAT, "gen_ai.usage.input_tokens": 2**63 - 1},
    {**samples.CHAT, "gen_ai.usage.output_tokens": -1},
    {**samples.CHAT, "gen_ai.usage.cost.amount": float("nan")},
    {**samples.CHAT, "gen_ai.usage.cost.amount": 1e300},
    {**samples.CHAT, "gen_ai.response.time_to_first_chunk": float("inf")},
    {**samples.CHAT, "http.response.status_code": 2**40},
    {**samples.CHAT, "gen_ai.usage.cache_read.input_tokens": 2000},
    {**samples.CHAT, "gen_ai.usage.cache_read.input_tokens": 200,
     "gen_ai.usage.total_tokens": 1300},
]  # fmt: skip


# Content, usage in JSON, twins, values of every kind: all that a translation has to bring over.
FOREIGN: list[dict[str, Any]] = [
    {"gen_ai.system": "OpenAI", "llm.request.type": "chat", "gen_ai.prompt.0.role": "user",
     "gen_ai.prompt.0.content": 'a "b" ž 🐎', "gen_ai.completion.0.finish_reason": "stop",
     "gen_ai.usage.prompt_tokens": 1000, "gen_ai.usage.completion_tokens": 100,
     "gen_ai.usage.cache_read_input_tokens": 0, "gen_ai.request.model": "gpt-4o",
     "traceloop.association.properties.team": "blue", "llm.is_streaming": "True"},
    {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 3,
     "llm.token_count.completion": 4, "input.value": "hello", "empty": "", "nothing": None,
     "numbers": [1, 2.5, True, "x", ["y"]], "negative": -1, "large": 2**62, "flag": False,
     "nan": float("nan"), "whole": 3.0, "llm_otel.tag.number": 3},
    {"ai.operationId": "ai.streamText.doStream", "gen_ai.system": "openai.chat",
     "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000,
     "gen_ai.usage.output_tokens": 100, "ai.usage.inputTokens": 1000,
     "ai.response.msToFirstChunk": 33.5, "gen_ai.response.finish_reasons": ["stop"]},
    {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o",
     "langfuse.observation.usage_details": '{"input": 10, "output": 5}',
     "langfuse.observation.level": "ERROR"},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic",
     "gen_ai.usage.cache_read_input_tokens": 500, "gen_ai.usage.input_tokens": 1000,
     "gen_ai.usage.output_tokens": 5, "gen_ai.request.model": "claude-sonnet-4-5"},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "crewai", "gen_ai.usage.cost": "0.5"},
    {"traceloop.association.properties.team": "alone"},
    {"gen_ai.completion.0.finish_reason": "stop"},
    {"genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "openai/gpt-4o",
     "genkit:output": '{"usage": {"inputTokens": 99999999999999999999, "outputTokens": 1}}'},
]  # fmt: skip


# What emitters send, each with messages, counts and who asked.
EMITTED: list[dict[str, Any]] = [
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
SPAN_NAMES = ("chat gpt-4o", "invoke_agent helper", "execute_tool", "call_llm", "llm_request", "",
         "retrieval x", "claude_code.llm_request")  # fmt: skip


def own(seed: int) -> list[bytes]:
    """Requests of a few spans each, as the library names them."""
    source = random.Random(seed)
    made = []
    for number in range(25):
        many = []
        for _ in range(source.randrange(6)):
            attributes = dict(source.choice(KINDS))
            for extra in source.sample(EXTRAS, source.randrange(4)):
                attributes |= extra
            many.append(attributes)
        resource = source.choice([samples.RESOURCE, {}, {"service.name": "b", "x": [1]}])
        fields: dict[str, Any] = {"name": source.choice(["chat", "", "ž"])}
        fields |= source.choice([{}, {"events": [EVENT], "links": [LINK]}, {"kind": 9}])
        fields |= source.choice([{}, {"status": {"code": 2, "message": "no"}}, {"status": {}}])
        seconds = source.choice([0.0, 1.5, -1.0])
        request = samples.spans(
            *many, seed=seed * 1000 + number, seconds=seconds, resource=resource, **fields
        )
        for span in request.resource_spans[0].scope_spans[0].spans:
            if source.random() < 0.1:
                setattr(
                    span, source.choice(["trace_id", "span_id"]), source.choice([b"", b"\0" * 8])
                )
            if source.random() < 0.5:
                span.parent_span_id = source.randbytes(8)
        made.append(request.SerializeToString())
    return made


def others(seed: int, *, changes: int) -> list[bytes]:
    """Spans of all emitters, some of their attributes left out and up to `changes` others set."""
    source = random.Random(seed)
    made = []
    for number in range(25):
        many = []
        for _ in range(source.randrange(1, 6)):
            kept = source.random() < 0.5
            attributes = {
                name: value
                for name, value in source.choice(EMITTED + FOREIGN + OTHERS).items()
                if kept or source.random() < 0.8
            }
            for name in source.sample(NAMES, source.randrange(changes + 1)):
                attributes[name] = source.choice(VALUES)
            many.append(dict(source.sample(sorted(attributes.items(), key=str), len(attributes))))
        name = source.choice(SPAN_NAMES)
        request = samples.spans(*many, seed=seed * 1000 + number, name=name)
        made.append(request.SerializeToString())
    return made
