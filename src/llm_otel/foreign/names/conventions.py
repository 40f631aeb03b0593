"""The conventions' own names before v1.37, and the vocabularies that grew from these.

Sources: OpenLLMetry 0.1 to 0.62 (`opentelemetry.semconv_ai`), OpenLIT 1.45 (`openlit.semcov`),
Logfire 5.4, Pydantic AI 2.68, LiteLLM 1.110 (`integrations/opentelemetry.py`), Google ADK 2.13,
Semantic Kernel 1.45, vLLM 0.11 (`vllm/tracing.py`), Spring AI 1.1, Claude Code 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv

# The sum of all tokens, for which the conventions have no name; this one is the most common.
TOTAL_TOKENS: Final = "gen_ai.usage.total_tokens"

# Older name -> name of today. Of several for one, the first of the table wins; a name of today
# wins over all.
RENAMED: Final[Mapping[str, str]] = {
    # The conventions before v1.37, and OpenLLMetry.
    "gen_ai.system": semconv.PROVIDER_NAME,
    "llm.vendor": semconv.PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "gen_ai.response.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "gen_ai.response.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "llm.usage.prompt_tokens": semconv.USAGE_INPUT_TOKENS,
    "llm.usage.completion_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "llm.usage.total_tokens": TOTAL_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.input_tokens.cached": semconv.USAGE_CACHE_READ,
    # Pydantic AI 0.x, Mastra, Strands, Weave, LangSmith, Haystack.
    "gen_ai.usage.details.cache_read_input_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cached_input_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.input_cached_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cache_read_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.prompt_tokens_details.cached_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.input_tokens_details.cached_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.input_token_details.cache_read": semconv.USAGE_CACHE_READ,
    "llm.usage.cache_read_input_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cached_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.details.cache_read_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.details.cached_tokens": semconv.USAGE_CACHE_READ,
    "gen_ai.usage.cache_creation_input_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.details.cache_write_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.details.cache_creation_input_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.cache_write_input_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.cache_write_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.cache_creation_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.input_token_details.cache_creation": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.prompt_tokens_details.cache_creation_tokens": semconv.USAGE_CACHE_WRITE,
    "llm.usage.cache_creation_input_tokens": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.reasoning_tokens": semconv.USAGE_REASONING,
    "gen_ai.usage.details.reasoning_tokens": semconv.USAGE_REASONING,
    "gen_ai.usage.experimental.reasoning_tokens": semconv.USAGE_REASONING,
    "gen_ai.usage.completion_tokens_details.reasoning_tokens": semconv.USAGE_REASONING,
    "llm.usage.reasoning_tokens": semconv.USAGE_REASONING,
    "llm.request.model": semconv.REQUEST_MODEL,
    "gen_ai.model": semconv.REQUEST_MODEL,
    "gen_ai.thread.run.id": semconv.RESPONSE_ID,
    "llm.response.model": semconv.RESPONSE_MODEL,
    "llm.is_streaming": semconv.REQUEST_STREAM,
    "gen_ai.is_streaming": semconv.REQUEST_STREAM,
    "gen_ai.request.is_stream": semconv.REQUEST_STREAM,
    "gen_ai.request.streaming": semconv.REQUEST_STREAM,
    "litellm.request.streaming": semconv.REQUEST_STREAM,
    "llm.request.type": semconv.OPERATION_NAME,
    "gen_ai.type": semconv.OPERATION_NAME,
    "llm.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "llm.response.stop_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.response.finish_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.response.stop_reason": semconv.RESPONSE_FINISH_REASONS,
    "gen_ai.openai.request.service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
    "gen_ai.user": semconv.USER_ID,
    "llm.user": semconv.USER_ID,
    "enduser.id": semconv.USER_ID,
    "traceloop.association.properties.user_id": semconv.USER_ID,
    "traceloop.association.properties.session_id": semconv.SESSION_ID,
    "traceloop.association.properties.tenant_id": semconv.TENANT_ID,
    "traceloop.association.properties.feature": semconv.FEATURE,
    "traceloop.prompt.key": semconv.PROMPT_NAME,
    "traceloop.prompt.version": semconv.PROMPT_VERSION,
    "gcp.vertex.agent.session_id": semconv.SESSION_ID,
    # What a call cost, in USD. Only the sum: costs of parts are none.
    "gen_ai.usage.cost": semconv.COST_AMOUNT,
    "gen_ai.usage.cost_usd": semconv.COST_AMOUNT,
    "gen_ai.usage.total_cost": semconv.COST_AMOUNT,
    "gen_ai.cost.total_cost": semconv.COST_AMOUNT,
    "litellm.cost.total": semconv.COST_AMOUNT,
    "gen_ai.cost.total": semconv.COST_AMOUNT,
    "gen_ai.cost.total_usd": semconv.COST_AMOUNT,
    "gen_ai.cost.usd": semconv.COST_AMOUNT,
    "gen_ai.usage.total_cost_usd": semconv.COST_AMOUNT,
    "gen_ai.cost.amount": semconv.COST_AMOUNT,
    "llm.usage.total_cost": semconv.COST_AMOUNT,
    "llm.usage.cost": semconv.COST_AMOUNT,
    "operation.cost": semconv.COST_AMOUNT,
    "gen_ai.usage.cost.total": semconv.COST_AMOUNT,
    "gen_ai.cost.currency": semconv.COST_CURRENCY,
    # Seconds to the first token: OpenLIT, AgentOps, vLLM.
    "gen_ai.server.ttft": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "gen_ai.server.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "gen_ai.streaming.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "gen_ai.latency.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    # Gateways of Cloudflare and Vercel, Dify (`extensions/otel/semconv`) and Alibaba's ARMS.
    "gen_ai.model.provider": semconv.PROVIDER_NAME,
    "vercel.ai_gateway.provider": semconv.PROVIDER_NAME,
    "vercel.ai_gateway.cost.total": semconv.COST_AMOUNT,
    "dify.tenant_id": semconv.TENANT_ID,
    "gen_ai.session.id": semconv.SESSION_ID,
    "gen_ai.user.id": semconv.USER_ID,
    # Sentry 2.60 (`sentry_sdk/consts.py`), agentgateway (`telemetry/log.rs`), Alibaba's LoongSuite.
    "gen_ai.usage.input_tokens.cache_write": semconv.USAGE_CACHE_WRITE,
    "gen_ai.usage.output_tokens.reasoning": semconv.USAGE_REASONING,
    "gen_ai.usage.reasoning_output_tokens": semconv.USAGE_REASONING,
    "gen_ai.response.streaming": semconv.REQUEST_STREAM,
    "gen_ai.response.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "agw.ai.time_to_first_token": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "agw.ai.usage.cost.total": semconv.COST_AMOUNT,
    "gen_ai.request.model_name": semconv.REQUEST_MODEL,
    "gen_ai.model_name": semconv.REQUEST_MODEL,
    "ai.model_id": semconv.REQUEST_MODEL,
    "ai.streaming": semconv.REQUEST_STREAM,
    # The conventions' name of v1.41; the later one wins.
    semconv.USAGE_CACHE_WRITE_V141: semconv.USAGE_CACHE_WRITE,
}

# Claude Code's spans name these without a namespace, so they count on spans of its own alone.
# https://code.claude.com/docs/en/monitoring-usage
CLAUDE_CODE_SPAN: Final = "claude_code.llm_request"
CLAUDE_CODE: Final[Mapping[str, str]] = {
    "model": semconv.REQUEST_MODEL,
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "cache_creation_tokens": semconv.USAGE_CACHE_WRITE,
    "cost_usd": semconv.COST_AMOUNT,
    "request_id": semconv.RESPONSE_ID,
    "status_code": semconv.HTTP_STATUS_CODE,
    "stop_reason": semconv.RESPONSE_FINISH_REASONS,
}
