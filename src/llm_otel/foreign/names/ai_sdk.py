"""Vercel's AI SDK, versions 3 to 7. https://ai-sdk.dev/docs/ai-sdk-core/telemetry"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv
from llm_otel.foreign.names.conventions import TOTAL_TOKENS

RENAMED: Final[Mapping[str, str]] = {
    "ai.response.id": semconv.RESPONSE_ID,
    "ai.response.model": semconv.RESPONSE_MODEL,
    "ai.response.finishReason": semconv.RESPONSE_FINISH_REASONS,
    "ai.model.id": semconv.REQUEST_MODEL,
    "ai.model.provider": semconv.PROVIDER_NAME,
    # 5 and later, then 3 and 4; embeddings have one number alone.
    "ai.usage.inputTokens": semconv.USAGE_INPUT_TOKENS,
    "ai.usage.outputTokens": semconv.USAGE_OUTPUT_TOKENS,
    "ai.usage.promptTokens": semconv.USAGE_INPUT_TOKENS,
    "ai.usage.completionTokens": semconv.USAGE_OUTPUT_TOKENS,
    "ai.usage.tokens": semconv.USAGE_INPUT_TOKENS,
    "ai.usage.totalTokens": TOTAL_TOKENS,
    "ai.usage.inputTokenDetails.cacheReadTokens": semconv.USAGE_CACHE_READ,
    "ai.usage.inputTokenDetails.cacheWriteTokens": semconv.USAGE_CACHE_WRITE,
    "ai.usage.cachedInputTokens": semconv.USAGE_CACHE_READ,
    "ai.usage.outputTokenDetails.reasoningTokens": semconv.USAGE_REASONING,
    "ai.usage.reasoningTokens": semconv.USAGE_REASONING,
    "ai.telemetry.metadata.userId": semconv.USER_ID,
    "ai.telemetry.metadata.sessionId": semconv.SESSION_ID,
    "ai.telemetry.metadata.tenantId": semconv.TENANT_ID,
    "ai.telemetry.metadata.feature": semconv.FEATURE,
    "ai.telemetry.functionId": semconv.FEATURE,
}

# Milliseconds that the conventions count in seconds.
MILLISECONDS: Final[Mapping[str, str]] = {
    "ai.response.msToFirstChunk": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "ttft_ms": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
}
