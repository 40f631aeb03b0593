"""LangSmith 0.15 (`langsmith/_internal/otel/_otel_exporter.py`), the way of LangChain's spans.

It guesses `gen_ai.system` by the model's name; what LangChain itself says is in the metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv

RENAMED: Final[Mapping[str, str]] = {
    "langsmith.metadata.ls_provider": semconv.PROVIDER_NAME,
    "langsmith.metadata.ls_model_name": semconv.REQUEST_MODEL,
    "langsmith.request.streaming": semconv.REQUEST_STREAM,
    "langsmith.metadata.thread_id": semconv.CONVERSATION_ID,
    "langsmith.metadata.session_id": semconv.SESSION_ID,
    "langsmith.metadata.user_id": semconv.USER_ID,
    "gen_ai.response.service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
}

# Attribute -> where its JSON has the parts of which count: their sum. All are inside the whole.
DETAILS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "gen_ai.usage.input_token_details": {
        semconv.USAGE_CACHE_READ: ("cache_read",),
        semconv.USAGE_CACHE_WRITE: (
            "cache_creation",
            "ephemeral_5m_input_tokens",
            "ephemeral_1h_input_tokens",
        ),
    },
    "gen_ai.usage.output_token_details": {semconv.USAGE_REASONING: ("reasoning",)},
}
