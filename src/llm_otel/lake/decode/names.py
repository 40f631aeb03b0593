"""The names that other instrumentations use, by the name that the conventions use today.

Sources: OpenLLMetry 0.62 (`opentelemetry.semconv_ai`), OpenInference 0.1 (`openinference.semconv.
trace`), OpenLIT 1.45, Logfire 5.2, and the conventions' own names before v1.37.
"""

from __future__ import annotations

from typing import Final

from llm_otel import semconv

# Operations that ask a provider; all others (agents, tools, workflows, stores) are spans only.
CALLS: Final = frozenset(
    {
        semconv.CHAT,
        semconv.TEXT_COMPLETION,
        "generate_content",
        semconv.EMBEDDINGS,
        semconv.IMAGE_GENERATION,
        semconv.SPEECH,
        semconv.TRANSCRIPTION,
        semconv.MODERATION,
        semconv.RERANK,
        semconv.FETCH_RESPONSE,
        semconv.CANCEL_RESPONSE,
        semconv.CREATE_BATCH,
        semconv.FETCH_BATCH,
        semconv.CANCEL_BATCH,
    }
)

OLDER: Final = {
    # The conventions before v1.37, and OpenLLMetry.
    "gen_ai.system": semconv.PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "llm.usage.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "llm.usage.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cache_creation_input_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.reasoning_tokens": semconv.USAGE_REASONING,
    "llm.usage.reasoning_tokens": semconv.USAGE_REASONING,
    "llm.request.model": semconv.REQUEST_MODEL,
    "llm.response.model": semconv.RESPONSE_MODEL,
    "llm.is_streaming": semconv.REQUEST_STREAM,
    "gen_ai.is_streaming": semconv.REQUEST_STREAM,
    "gen_ai.request.is_stream": semconv.REQUEST_STREAM,
    "llm.request.type": semconv.OPERATION_NAME,
    "traceloop.span.kind": semconv.OPERATION_NAME,
    "llm.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.response.stop_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.openai.request.service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
    "gen_ai.user": semconv.USER_ID,
    "llm.user": semconv.USER_ID,
    "traceloop.association.properties.user_id": semconv.USER_ID,
    "traceloop.association.properties.session_id": semconv.SESSION_ID,
    "traceloop.association.properties.tenant_id": semconv.TENANT_ID,
    "traceloop.association.properties.feature": semconv.FEATURE,
    "traceloop.prompt.key": semconv.PROMPT_NAME,
    "traceloop.prompt.version": semconv.PROMPT_VERSION,
    "traceloop.entity.input": "input.value",
    "traceloop.entity.output": "output.value",
    # OpenLIT and Logfire.
    "gen_ai.usage.cost": semconv.COST_AMOUNT,
    "operation.cost": semconv.COST_AMOUNT,
    "gen_ai.server.ttft": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "gen_ai.server.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "enduser.id": semconv.USER_ID,
    # OpenInference.
    "openinference.span.kind": semconv.OPERATION_NAME,
    "llm.provider": semconv.PROVIDER_NAME,
    "llm.system": semconv.PROVIDER_NAME,
    "llm.model_name": semconv.REQUEST_MODEL,
    "embedding.model_name": semconv.REQUEST_MODEL,
    "reranker.model_name": semconv.REQUEST_MODEL,
    "llm.token_count.prompt": semconv.USAGE_INPUT_TOKENS,
    "llm.token_count.completion": semconv.USAGE_OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": semconv.USAGE_CACHE_READ,
    "llm.token_count.prompt_details.cache_write": semconv.USAGE_CACHE_WRITE,
    "llm.token_count.completion_details.reasoning": semconv.USAGE_REASONING,
    "llm.cost.total": semconv.COST_AMOUNT,
    "llm.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "llm.prompt_template.version": semconv.PROMPT_VERSION,
    "agent.name": semconv.AGENT_NAME,
    "tool.name": semconv.TOOL_NAME,
    "tool.description": semconv.TOOL_DESCRIPTION,
    # The conventions' name of v1.41; the later one wins.
    semconv.USAGE_CACHE_WRITE_V141: semconv.USAGE_CACHE_WRITE,
}

# What other vocabularies call an operation, in lower case.
OPERATIONS: Final = {
    "llm": semconv.CHAT,
    "completion": semconv.TEXT_COMPLETION,
    "embedding": semconv.EMBEDDINGS,
    "reranker": semconv.RERANK,
    "image": semconv.IMAGE_GENERATION,
    "agent": semconv.INVOKE_AGENT,
    "tool": semconv.EXECUTE_TOOL,
    "workflow": semconv.INVOKE_WORKFLOW,
    "chain": semconv.INVOKE_WORKFLOW,
    "retriever": semconv.RETRIEVAL,
}

# What other vocabularies call a provider, in lower case.
PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "vertexai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "mistral ai": "mistral_ai",
    "xai": "x_ai",
    "togetherai": "together",
    "together_ai": "together",
    "watsonx": "ibm.watsonx.ai",
}

# Messages given one attribute each: name of the list, of each message's fields after its number.
INDEXED: Final = (
    ("gen_ai.prompt.", "", semconv.INPUT_MESSAGES),
    ("gen_ai.completion.", "", semconv.OUTPUT_MESSAGES),
    ("llm.input_messages.", "message.", semconv.INPUT_MESSAGES),
    ("llm.output_messages.", "message.", semconv.OUTPUT_MESSAGES),
)

# Whole texts that stand for a list of messages: name, its role, the list.
TEXTS: Final = (
    ("input.value", "user", semconv.INPUT_MESSAGES),
    ("output.value", "assistant", semconv.OUTPUT_MESSAGES),
)

PROPERTIES: Final = "traceloop.association.properties."

CONTENT: Final = (
    semconv.INPUT_MESSAGES,
    semconv.OUTPUT_MESSAGES,
    semconv.SYSTEM_INSTRUCTIONS,
)
