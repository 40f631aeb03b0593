"""OpenAI's protocol, which many providers speak: what is at which path."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.openai import chat, media, responses
from llm_otel.protocols.openai.batches import Batches
from llm_otel.protocols.openai.common import OpenAI
from llm_otel.protocols.openai.usage import USAGE
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint, UsageMap

_COMPLETIONS = "resources.chat.completions"

CHAT = Endpoint(
    semconv.CHAT,
    chat.Chat(),
    USAGE,
    # groq's older streams report in x_groq, Moonshot's in the last choice's chunk
    usage_at=(("usage",), ("x_groq", "usage")),
    in_tokens=True,
    attributes={semconv.OPENAI_API_TYPE: "chat_completions"},
    methods=((_COMPLETIONS, "Completions.create"), (_COMPLETIONS, "AsyncCompletions.create")),
)
COMPLETION = Endpoint(
    semconv.TEXT_COMPLETION,
    chat.Completion(),
    USAGE,
    in_tokens=True,
    methods=(("resources.completions", "Completions.create"),),
)
RESPONSES = Endpoint(
    semconv.CHAT,
    responses.Responses(),
    USAGE,
    in_tokens=True,
    resumable=True,
    attributes={semconv.OPENAI_API_TYPE: "responses"},
    methods=(("resources.responses", "Responses.create"),),
)
# Where servers without a `usage` count the input: watsonx.ai, DeepInfra.
_INPUT: UsageMap = {"input_token_count": "input_tokens", "input_tokens": "input_tokens"}
EMBEDDINGS = Endpoint(
    semconv.EMBEDDINGS,
    OpenAI(),
    USAGE,
    usage_beside=_INPUT,
    in_tokens=True,
    input_only=True,
    methods=(("resources.embeddings", "Embeddings.create"),),
)
IMAGE = Endpoint(
    semconv.IMAGE_GENERATION,
    media.Images(),
    USAGE,
    images_out=True,
    attributes={semconv.OUTPUT_TYPE: "image"},
)
SPEECH = Endpoint(
    semconv.SPEECH,
    media.Speech(),
    USAGE,
    bytes_out=True,
    attributes={semconv.OUTPUT_TYPE: "speech"},
)
# A verbose transcription has no usage and tells how long the audio was, which is what is billed.
TRANSCRIPTION = Endpoint(
    semconv.TRANSCRIPTION,
    media.Transcriptions(),
    USAGE,
    usage_beside={"duration": "audio_seconds", "audio_duration_secs": "audio_seconds"},
)
MODERATION = Endpoint(semconv.MODERATION, media.Moderations(), billed=False)
# Cohere's shape, which many servers speak: https://docs.cohere.com/reference/rerank
RERANK = Endpoint(
    semconv.RERANK,
    OpenAI(),
    USAGE,
    usage_beside={**_INPUT, "meta": {"tokens": USAGE, "billed_units": USAGE}},
    input_only=True,
)


def _response(operation: str, method: str) -> Endpoint:
    return Endpoint(
        operation,
        responses.Responses(),
        USAGE,
        polled=True,
        resumable=True,
        billed=False,
        attributes=RESPONSES.attributes,
        methods=(("resources.responses", f"Responses.{method}"),),
    )


def _batch(operation: str) -> Endpoint:
    return Endpoint(operation, Batches(), USAGE, polled=True, billed=False, service_tier="batch")


OPENAI = Paths(
    {
        "post /chat/completions": CHAT,
        "post /completions": COMPLETION,
        "post /responses": RESPONSES,
        "get /responses/{id}": _response(semconv.FETCH_RESPONSE, "retrieve"),
        "post /responses/{id}/cancel": _response(semconv.CANCEL_RESPONSE, "cancel"),
        "post /responses/compact": RESPONSES,
        "post /embeddings": EMBEDDINGS,
        "post /images/generations": IMAGE,
        "post /images/edits": IMAGE,
        "post /images/variations": IMAGE,
        "post /audio/speech": SPEECH,
        "post /audio/transcriptions": TRANSCRIPTION,
        "post /audio/translations": TRANSCRIPTION,
        "post /moderations": MODERATION,
        "post /batches": _batch(semconv.CREATE_BATCH),
        "get /batches/{id}": _batch(semconv.FETCH_BATCH),
        "post /batches/{id}/cancel": _batch(semconv.CANCEL_BATCH),
        "post /rerank": RERANK,
    }
)
