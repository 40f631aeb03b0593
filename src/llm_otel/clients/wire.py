"""The OpenAI protocol, which many providers speak: endpoints, and where usage is in a body."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint, UsageMap

# Lifetimes of what was written to a cache: Anthropic's 5 minutes and 1 hour, OpenAI's 12 hours.
# https://docs.anthropic.com/en/api/messages (usage.cache_creation)
_LIFETIMES: UsageMap = {
    "ephemeral_5m_input_tokens": "cache_write_short_tokens",
    "ephemeral_1h_input_tokens": "cache_write_long_tokens",
    "ttl_30m_tokens": "cache_write_short_tokens",
    "ttl_12h_tokens": "cache_write_long_tokens",
}

_CACHED_PARTS: UsageMap = {
    "audio_tokens": "audio_cache_read_tokens",
    "image_tokens": "image_cache_read_tokens",
    "cached_image_tokens": "image_cache_read_tokens",
}

# What was read from a cache and written to one, by OpenAI's names and those that gateways pass on
# or invent: Anthropic's (top level or details), LiteLLM's, DashScope's, new-api's, Bedrock's,
# Requesty's (caching) and Bifrost's (cached_read).
_CACHE: UsageMap = {
    "cached_tokens": "cache_read_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cached_content_token_count": "cache_read_tokens",
    "cachedContentTokenCount": "cache_read_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheReadInputTokenCount": "cache_read_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cached_creation_tokens": "cache_write_tokens",
    "caching_tokens": "cache_write_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
    "cacheWriteInputTokenCount": "cache_write_tokens",
    "cache_creation": _LIFETIMES,
    "cache_creation_token_details": _LIFETIMES,
    "cache_write_tokens_details": _LIFETIMES,
    "cached_read_tokens": "cache_read_tokens",
    "cached_write_tokens": "cache_write_tokens",
    "cache_creation_5m_tokens": "cache_write_short_tokens",
    "cache_creation_1h_tokens": "cache_write_long_tokens",
    "cache_creation_5m_input_tokens": "cache_write_short_tokens",
    "cache_creation_1h_input_tokens": "cache_write_long_tokens",
    "claude_cache_creation_5_m_tokens": "cache_write_short_tokens",
    "claude_cache_creation_1_h_tokens": "cache_write_long_tokens",
    "cached_tokens_details": _CACHED_PARTS,
}

_INPUT_PARTS: UsageMap = {
    **_CACHE,
    **_LIFETIMES,
    "audio_tokens": "audio_input_tokens",
    "image_tokens": "image_input_tokens",
    "web_search_requests": "web_searches",
}
_OUTPUT_PARTS: UsageMap = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "audio_output_tokens",
    "image_tokens": "image_output_tokens",
    "text_tokens": "text_output_tokens",
}

# The usage of every endpoint. Which words a provider uses does not depend on the endpoint: there
# are gateways that answer chat in the words of the Responses API, and the other way round.
# https://platform.openai.com/docs/api-reference/chat/object, …/responses/object,
# …/images/object, …/audio/json-object
USAGE: UsageMap = {
    **_CACHE,
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    # watsonx.ai: https://cloud.ibm.com/apidocs/watsonx-ai
    "input_token_count": "input_tokens",
    "generated_token_count": "output_tokens",
    "total_tokens": "total_tokens",
    "prompt_tokens_details": _INPUT_PARTS,
    "input_tokens_details": _INPUT_PARTS,
    "input_token_details": _INPUT_PARTS,
    "completion_tokens_details": _OUTPUT_PARTS,
    "output_tokens_details": _OUTPUT_PARTS,
    "output_token_details": _OUTPUT_PARTS,
    # DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion
    "prompt_cache_hit_tokens": "cache_read_tokens",
    # Perplexity, SGLang and others put it beside the output's tokens.
    "reasoning_tokens": "reasoning_tokens",
    # Transcription: OpenAI bills tokens or seconds, Mistral seconds besides the tokens.
    # https://docs.mistral.ai/capabilities/audio/
    "seconds": "audio_seconds",
    "prompt_audio_seconds": "audio_seconds",
    # Searches: Perplexity's deep research; Anthropic's usage, passed on by gateways.
    "num_search_queries": "web_searches",
    "server_tool_use": {
        "web_search_requests": "web_searches",
        "code_execution_requests": "uncounted_tools",
    },
    # Tools that the provider ran and bills by a price of their own: any number below marks the
    # cost. Mistral: connectors; Volcengine: tool_usage; DashScope: x_tools and plugins.
    "connectors": "uncounted_tools",
    "tool_usage": "uncounted_tools",
    "x_tools": "uncounted_tools",
    "plugins": "uncounted_tools",
}

CHAT = Endpoint(
    semconv.CHAT,
    "chat",
    USAGE,
    # groq's older streams report in x_groq, Moonshot's in the last choice's chunk
    usage_at=(("usage",), ("x_groq", "usage")),
    stream="choices",
    usage_on_request=True,
    api_type="chat_completions",
)
COMPLETION = Endpoint(
    semconv.TEXT_COMPLETION, "completion", USAGE, stream="choices", usage_on_request=True
)
RESPONSES = Endpoint(semconv.CHAT, "responses", USAGE, api_type="responses")
# Where servers without a `usage` count the input: watsonx.ai, DeepInfra.
_INPUT: UsageMap = {"input_token_count": "input_tokens", "input_tokens": "input_tokens"}
EMBEDDINGS = Endpoint(semconv.EMBEDDINGS, "embeddings", USAGE, usage_beside=_INPUT)
IMAGE = Endpoint(semconv.IMAGE_GENERATION, "image", USAGE, output_type="image")
SPEECH = Endpoint(semconv.SPEECH, "speech", USAGE, output_type="speech")
# A verbose transcription has no usage and tells how long the audio was, which is what is billed.
TRANSCRIPTION = Endpoint(
    semconv.TRANSCRIPTION,
    "transcription",
    USAGE,
    usage_beside={"duration": "audio_seconds", "audio_duration_secs": "audio_seconds"},
)
MODERATION = Endpoint(semconv.MODERATION, "moderation", billed=False)
# Cohere's shape, which many servers speak: https://docs.cohere.com/reference/rerank
RERANK = Endpoint(
    semconv.RERANK,
    "rerank",
    USAGE,
    usage_beside={**_INPUT, "meta": {"tokens": USAGE, "billed_units": USAGE}},
)


def _polled(operation: str, kind: str, *, tier: str | None = None) -> Endpoint:
    return Endpoint(
        operation,
        "responses" if kind == "responses" else "batch",
        USAGE,
        polled=True,
        billed=False,
        service_tier=tier,
        api_type="responses" if kind == "responses" else None,
    )


OPENAI: dict[str, Endpoint] = {
    "post /chat/completions": CHAT,
    "post /completions": COMPLETION,
    "post /responses": RESPONSES,
    "get /responses/{id}": _polled(semconv.FETCH_RESPONSE, "responses"),
    "post /responses/{id}/cancel": _polled(semconv.CANCEL_RESPONSE, "responses"),
    "post /responses/compact": RESPONSES,
    "post /embeddings": EMBEDDINGS,
    "post /images/generations": IMAGE,
    "post /images/edits": IMAGE,
    "post /images/variations": IMAGE,
    "post /audio/speech": SPEECH,
    "post /audio/transcriptions": TRANSCRIPTION,
    "post /audio/translations": TRANSCRIPTION,
    "post /moderations": MODERATION,
    "post /batches": _polled(semconv.CREATE_BATCH, "batch", tier="batch"),
    "get /batches/{id}": _polled(semconv.FETCH_BATCH, "batch", tier="batch"),
    "post /batches/{id}/cancel": _polled(semconv.CANCEL_BATCH, "batch", tier="batch"),
    "post /rerank": RERANK,
}
