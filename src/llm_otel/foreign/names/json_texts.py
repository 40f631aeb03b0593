"""Vocabularies that put what they know into JSON texts: Langfuse, MLflow, Genkit, Haystack, others.

Sources: Langfuse 5.0 (`langfuse/_client/attributes.py`), MLflow 3.17
(`mlflow/tracing/constant.py`), Genkit 1.20 (`js/core/src/tracing`), Haystack 2.20
(`haystack/tracing`), Braintrust's SDKs for Go and Java (`InstrumentationSemConv.java`), LangWatch
(`sdks/python/src/langwatch/telemetry/span.py`), Logfire 5.4 (`integrations/llm_providers`), the AI
SDK's providers 1 to 3 (`anthropic-messages-language-model.ts`, `bedrock-chat-language-model.ts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv

# Older name -> name of today, for values that are no JSON.
RENAMED: Final[Mapping[str, str]] = {
    "langfuse.observation.model.name": semconv.REQUEST_MODEL,
    "langfuse.observation.prompt.name": semconv.PROMPT_NAME,
    "langfuse.observation.prompt.version": semconv.PROMPT_VERSION,
    "langfuse.user.id": semconv.USER_ID,
    "langfuse.session.id": semconv.SESSION_ID,
}

# Path of a value in a JSON text.
Path = tuple["str | int", ...]

# Attribute -> where its JSON has the value of which attribute; a text that is no JSON is the value.
FIELDS: Final[Mapping[str, tuple[tuple[Path, str], ...]]] = {
    "mlflow.spanType": (((), "mlflow.spanType"),),
    "mlflow.llm.model": (((), semconv.REQUEST_MODEL),),
    "mlflow.llm.provider": (((), semconv.PROVIDER_NAME),),
    "mlflow.llm.cost": ((("total_cost",), semconv.COST_AMOUNT),),
    "mlflow.trace.user": (((), semconv.USER_ID),),
    "mlflow.trace.session": (((), semconv.SESSION_ID),),
    "mlflow.spanInputs": ((("model",), semconv.REQUEST_MODEL),),
    "mlflow.spanOutputs": (
        (("model",), semconv.RESPONSE_MODEL),
        (("id",), semconv.RESPONSE_ID),
    ),
    "langfuse.observation.cost_details": ((("total",), semconv.COST_AMOUNT),),
    # https://vercel.com/docs/ai-gateway, https://openrouter.ai/docs/use-cases/usage-accounting
    "ai.response.providerMetadata": (
        (("gateway", "cost"), semconv.COST_AMOUNT),
        (("openrouter", "usage", "cost"), semconv.COST_AMOUNT),
        (("anthropic", "cacheReadInputTokens"), semconv.USAGE_CACHE_READ),
        (("anthropic", "cacheCreationInputTokens"), semconv.USAGE_CACHE_WRITE),
        (("bedrock", "usage", "cacheReadInputTokens"), semconv.USAGE_CACHE_READ),
        (("bedrock", "usage", "cacheWriteInputTokens"), semconv.USAGE_CACHE_WRITE),
    ),
    "langfuse.observation.model.parameters": ((("stream",), semconv.REQUEST_STREAM),),
    "genkit:output": (
        (("finishReason",), semconv.RESPONSE_FINISH_REASONS),
        (("model",), semconv.RESPONSE_MODEL),
    ),
    "haystack.component.output": (
        (("replies", 0, "meta", "model"), semconv.REQUEST_MODEL),
        (("replies", 0, "_meta", "model"), semconv.REQUEST_MODEL),
        (("meta", 0, "model"), semconv.REQUEST_MODEL),
        (("meta", "model"), semconv.REQUEST_MODEL),
    ),
    "request_data": ((("stream",), semconv.REQUEST_STREAM),),
    "braintrust.span_attributes": ((("type",), "braintrust.span_attributes"),),
    "braintrust.metadata": (
        (("model",), semconv.REQUEST_MODEL),
        (("provider",), semconv.PROVIDER_NAME),
    ),
    "braintrust.metrics": ((("time_to_first_token",), semconv.RESPONSE_TIME_TO_FIRST_CHUNK),),
    "langwatch.metrics": (
        (("value", "cost"), semconv.COST_AMOUNT),
        (("cost",), semconv.COST_AMOUNT),
    ),
    "langsmith.usage_metadata": ((("total_cost",), semconv.COST_AMOUNT),),
    # LiteLLM, where it has no breakdown of the cost.
    "hidden_params": ((("response_cost",), semconv.COST_AMOUNT),),
}

# Attribute -> where its JSON has the usage, the first that is there; as of `USAGE`.
USAGES: Final[Mapping[str, tuple[Path, ...]]] = {
    "mlflow.chat.tokenUsage": ((),),
    "mlflow.spanOutputs": (("usage",),),
    "langfuse.observation.usage_details": ((),),
    "genkit:output": (("usage",),),
    "gcp.vertex.agent.llm_response": (("usage_metadata",),),
    "haystack.component.output": (
        ("replies", 0, "meta", "usage"),
        ("replies", 0, "_meta", "usage"),
        ("meta", 0, "usage"),
        ("meta", "usage"),
    ),
    "ai.response.providerMetadata": (("anthropic", "usage"),),
    "response_data": (("usage",),),
    "braintrust.metrics": ((),),
    "braintrust.output_json": (("usage",),),
    "langwatch.metrics": (("value",), ()),
    "langsmith.usage_metadata": ((),),
}

# Those of `USAGES` that are the provider's own answer: they hold whatever the span says itself.
# Google ADK leaves thoughts out of its counts, and older ones put the total in the output's place.
ANSWERS: Final = frozenset(
    {
        "gcp.vertex.agent.llm_response", "ai.response.providerMetadata", "response_data",
        "braintrust.output_json",
    }
)  # fmt: skip
# Those that leave out what a provider billed for more than one turn: the span's own count is
# right where it is larger.
AT_LEAST: Final = frozenset({"ai.response.providerMetadata"})

# Attribute -> the attribute that is the sum of its JSON's numbers, where it has no sum itself.
SUMMED: Final[Mapping[str, str]] = {"langfuse.observation.cost_details": semconv.COST_AMOUNT}

# What the JSON of providers and frameworks calls each count. `*_inside`: a part of the input or
# the output in every shape that has it; `*_beside`: apart from them, unless the total says other.
COUNTS: Final[Mapping[str, tuple[Path, ...]]] = {
    "input": (
        ("input",), ("input_tokens",), ("prompt_tokens",), ("inputTokens",), ("promptTokens",),
        ("prompt_token_count",), ("promptTokenCount",), ("inputTokenCount",),
    ),
    "output": (
        ("output",), ("output_tokens",), ("completion_tokens",), ("outputTokens",),
        ("completionTokens",), ("candidates_token_count",), ("candidatesTokenCount",),
        ("outputTokenCount",),
    ),
    "total": (
        ("total",), ("total_tokens",), ("totalTokens",), ("total_token_count",),
        ("totalTokenCount",), ("tokens",),
    ),
    "read_inside": (
        ("prompt_tokens_details", "cached_tokens"), ("input_tokens_details", "cached_tokens"),
        ("cachedContentTokens",), ("cachedInputTokens",), ("cachedContentTokenCount",),
        ("cached_content_token_count",), ("prompt_cache_hit_tokens",), ("cached_tokens",),
        ("prompt_cached_tokens",), ("input_token_details", "cache_read"),
    ),
    "read_beside": (
        ("input_cached_tokens",), ("input_cache_read",), ("cache_read_input_tokens",),
        ("input_cache_read_tokens",), ("cacheReadInputTokens",), ("cache_read_tokens",),
    ),
    "written_inside": (
        ("prompt_cache_creation_tokens",), ("input_token_details", "cache_creation"),
    ),
    "written_beside": (
        ("input_cache_creation",), ("cache_creation_input_tokens",), ("input_cache_write",),
        ("cacheWriteInputTokens",), ("cacheCreationInputTokens",), ("cache_write_tokens",),
    ),
    "reasoning_inside": (
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"), ("reasoningTokens",), ("reasoning_tokens",),
        ("completion_reasoning_tokens",), ("output_token_details", "reasoning"),
    ),
    "reasoning_beside": (
        ("output_reasoning_tokens",), ("output_reasoning",), ("thoughtsTokens",),
        ("thoughts_token_count",), ("thoughtsTokenCount",),
    ),
}  # fmt: skip
