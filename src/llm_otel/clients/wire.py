"""The OpenAI protocol, which many providers speak: endpoints and where usage is in their bodies."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint, UsageMap

# https://platform.openai.com/docs/api-reference/chat/object; DeepSeek and Moonshot put their
# cache counts at the top (prompt_cache_hit_tokens, cached_tokens).
CHAT_USAGE: UsageMap = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_cache_hit_tokens": "cache_read_tokens",
    "cached_tokens": "cache_read_tokens",
    "prompt_tokens_details": {
        "cached_tokens": "cache_read_tokens",
        "cache_write_tokens": "cache_write_tokens",
        "audio_tokens": "audio_input_tokens",
        "image_tokens": "image_input_tokens",
    },
    "completion_tokens_details": {
        "reasoning_tokens": "reasoning_tokens",
        "audio_tokens": "audio_output_tokens",
        "image_tokens": "image_output_tokens",
    },
}

# https://platform.openai.com/docs/api-reference/responses/object
RESPONSES_USAGE: UsageMap = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "input_tokens_details": {
        "cached_tokens": "cache_read_tokens",
        "cache_write_tokens": "cache_write_tokens",
        "cache_write_tokens_details": {"ttl_12h_tokens": "cache_write_long_tokens"},
        "audio_tokens": "audio_input_tokens",
        "image_tokens": "image_input_tokens",
    },
    "output_tokens_details": {
        "reasoning_tokens": "reasoning_tokens",
        "audio_tokens": "audio_output_tokens",
        "image_tokens": "image_output_tokens",
    },
}

# https://platform.openai.com/docs/api-reference/images/object
IMAGE_USAGE: UsageMap = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "input_tokens_details": {"image_tokens": "image_input_tokens"},
    "output_tokens_details": {"image_tokens": "image_output_tokens"},
    "cached_tokens_details": {"cached_image_tokens": "image_cache_read_tokens"},
}

# https://platform.openai.com/docs/api-reference/audio/json-object: tokens or seconds
TRANSCRIPTION_USAGE: UsageMap = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "seconds": "audio_seconds",
    "input_token_details": {"audio_tokens": "audio_input_tokens"},
}

CHAT = Endpoint(
    semconv.CHAT,
    "chat",
    CHAT_USAGE,
    # groq's older streams report in x_groq, Moonshot's in the last choice's chunk
    usage_at=(("usage",), ("x_groq", "usage")),
    stream="choices",
    usage_on_request=True,
    api_type="chat_completions",
)
COMPLETION = Endpoint(
    semconv.TEXT_COMPLETION, "completion", CHAT_USAGE, stream="choices", usage_on_request=True
)
RESPONSES = Endpoint(
    semconv.CHAT, "responses", RESPONSES_USAGE, drawing=IMAGE_USAGE, api_type="responses"
)
EMBEDDINGS = Endpoint(semconv.EMBEDDINGS, "embeddings", CHAT_USAGE)
IMAGE = Endpoint(semconv.IMAGE_GENERATION, "image", IMAGE_USAGE, output_type="image")
SPEECH = Endpoint(semconv.SPEECH, "speech", RESPONSES_USAGE, output_type="speech")
TRANSCRIPTION = Endpoint(semconv.TRANSCRIPTION, "transcription", TRANSCRIPTION_USAGE)
MODERATION = Endpoint(semconv.MODERATION, "moderation", billed=False)
RERANK = Endpoint(semconv.RERANK, "rerank", CHAT_USAGE)


def _polled(operation: str, kind: str, *, tier: str | None = None) -> Endpoint:
    return Endpoint(
        operation,
        "responses" if kind == "responses" else "batch",
        RESPONSES_USAGE,
        drawing=IMAGE_USAGE,
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
