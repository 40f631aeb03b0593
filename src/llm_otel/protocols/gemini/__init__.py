"""The protocol of Gemini, on Google's Gemini API and on Vertex AI: what is at which path."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.gemini.batches import Batches
from llm_otel.protocols.gemini.caches import Caches
from llm_otel.protocols.gemini.generate import GenerateContent
from llm_otel.protocols.gemini.interactions import Decisions, Interactions
from llm_otel.protocols.gemini.live import Live
from llm_otel.protocols.gemini.media import Embeddings, Images, Predictions, Videos
from llm_otel.protocols.gemini.usage import INTERACTION_USAGE, USAGE
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

GENERATE = Endpoint(
    semconv.GENERATE_CONTENT,
    GenerateContent(),
    USAGE,
    usage_at=(("usageMetadata",),),
    in_tokens=True,
    methods=tuple(
        ("models", f"{name}.{method}")
        for name in ("Models", "AsyncModels")
        for method in ("generate_content", "generate_content_stream")
    ),
)
EMBEDDINGS = Endpoint(
    semconv.EMBEDDINGS,
    Embeddings(),
    USAGE,
    in_tokens=True,
    input_only=True,
    methods=(("models", "Models.embed_content"), ("models", "AsyncModels.embed_content")),
)
PREDICTIONS = Endpoint(
    semconv.EMBEDDINGS,
    Predictions(),
    in_tokens=True,
    input_only=True,
    methods=EMBEDDINGS.methods,
)
IMAGES = Endpoint(
    semconv.IMAGE_GENERATION,
    Images(),
    images_out=True,
    attributes={semconv.OUTPUT_TYPE: "image"},
)
LIVE = Endpoint(semconv.GENERATE_CONTENT, Live(), USAGE, in_tokens=True)
VIDEOS = Endpoint(semconv.VIDEO_GENERATION, Videos())
CACHE = Endpoint(semconv.CREATE_CACHE, Caches())
INTERACTION = Endpoint(
    semconv.GENERATE_CONTENT,
    Interactions(),
    INTERACTION_USAGE,
    in_tokens=True,
    resumable=True,
)
DECISION = Endpoint(semconv.GENERATE_CONTENT, Decisions(), INTERACTION_USAGE, in_tokens=True)


def _interaction(operation: str) -> Endpoint:
    return Endpoint(
        operation, Interactions(), INTERACTION_USAGE, polled=True, resumable=True, billed=False
    )


def _batch(operation: str) -> Endpoint:
    return Endpoint(operation, Batches(), USAGE, polled=True, billed=False, service_tier="batch")


GEMINI = Paths(
    {
        "post /{model}:generateContent": GENERATE,
        "post /{model}:streamGenerateContent": GENERATE,
        "post /{model}:batchEmbedContents": EMBEDDINGS,
        "post /{model}:embedContent": EMBEDDINGS,
        # Both are `:predict` to Vertex AI: the model tells which.
        "post /{model}:predict": PREDICTIONS,
        "post /{model}:predictImages": IMAGES,
        "post /{model}:bidiGenerateContent": LIVE,
        "post /{model}:predictLongRunning": VIDEOS,
        "post /cachedContents": CACHE,
        "post /{model}:batchGenerateContent": _batch(semconv.CREATE_BATCH),
        "post /{model}:asyncBatchEmbedContent": _batch(semconv.CREATE_BATCH),
        "get /batches/{id}": _batch(semconv.FETCH_BATCH),
        "post /batches/{id}:cancel": _batch(semconv.CANCEL_BATCH),
        "post /batchPredictionJobs": _batch(semconv.CREATE_BATCH),
        "get /batchPredictionJobs/{id}": _batch(semconv.FETCH_BATCH),
        "post /batchPredictionJobs/{id}:cancel": _batch(semconv.CANCEL_BATCH),
        "post /interactions": INTERACTION,
        "post /decisions": DECISION,
        "get /interactions/{id}": _interaction(semconv.FETCH_RESPONSE),
        "post /interactions/{id}/cancel": _interaction(semconv.CANCEL_RESPONSE),
    }
)
