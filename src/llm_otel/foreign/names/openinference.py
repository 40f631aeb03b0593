"""OpenInference 0.1 (`openinference.semconv.trace`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv
from llm_otel.foreign.names.conventions import TOTAL_TOKENS

RENAMED: Final[Mapping[str, str]] = {
    "llm.provider": semconv.PROVIDER_NAME,
    "llm.system": semconv.PROVIDER_NAME,
    "llm.request.model_name": semconv.REQUEST_MODEL,
    "llm.model_name": semconv.REQUEST_MODEL,
    "embedding.model_name": semconv.REQUEST_MODEL,
    "reranker.model_name": semconv.REQUEST_MODEL,
    "llm.response.model_name": semconv.RESPONSE_MODEL,
    "llm.token_count.prompt": semconv.USAGE_INPUT_TOKENS,
    "llm.token_count.completion": semconv.USAGE_OUTPUT_TOKENS,
    "llm.token_count.total": TOTAL_TOKENS,
    "llm.token_count.prompt_details.cache_read": semconv.USAGE_CACHE_READ,
    "llm.token_count.prompt_details.cache_input": semconv.USAGE_CACHE_READ,
    "llm.token_count.prompt_details.cache_write": semconv.USAGE_CACHE_WRITE,
    # Envoy AI Gateway.
    "llm.token_count.prompt_details.cache_creation": semconv.USAGE_CACHE_WRITE,
    "llm.token_count.completion_details.reasoning": semconv.USAGE_REASONING,
    "llm.cost.total": semconv.COST_AMOUNT,
    "llm.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "llm.prompt_template.version": semconv.PROMPT_VERSION,
    "agent.name": semconv.AGENT_NAME,
    "tool.name": semconv.TOOL_NAME,
    "tool.description": semconv.TOOL_DESCRIPTION,
}
