"""Which function answers which route."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from . import (
    anthropic_batches,
    anthropic_messages,
    batches,
    bedrock,
    catalog,
    chat,
    cohere,
    gemini,
    gemini_interactions,
    huggingface,
    media,
    mistral,
    ollama,
    responses,
    voyage,
)
from .cohere_protocol import COHERE, COHERE_LINES
from .embeddings import embeddings, image_embeddings
from .messages import ProtocolError, ReceivedRequest, Reply
from .protocols import MISTRAL, VOYAGE, protocol_of
from .state import State

Endpoint = Callable[[ReceivedRequest, State], Reply]


def run(request: ReceivedRequest, state: State) -> Reply:
    """Answers a request by its endpoint.

    Raises:
        ProtocolError: The request is refused, or there is no such endpoint.
    """
    speaks = protocol_of(request)
    own = mistral.ENDPOINTS if speaks is MISTRAL else voyage.ENDPOINTS if speaks is VOYAGE else ()
    table: tuple[tuple[str, str, Endpoint], ...] = (*own, *ENDPOINTS)
    found = [(m, e) for m, route, e in table if fnmatchcase(request.route, route)]
    for method, endpoint in found:
        if method == request.method:
            return endpoint(request, state)
    raise ProtocolError(
        f"Invalid URL ({request.method} {request.path})",
        status=405 if found else 404,
        code=None if found else "unknown_url",
    )


def _rerank(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/rerank` as who it was sent to."""
    if protocol_of(request) in (COHERE, COHERE_LINES):
        return cohere.rerank(request, state)
    return catalog.rerank(request, state)


# The first that matches is taken; `*` stands for anything.
ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/chat/completions", chat.chat_completion),
    ("POST", "/v1/completions", chat.completion),
    ("POST", "/v1/embeddings", embeddings),
    ("POST", "/v1/images/embeddings", image_embeddings),
    ("POST", "/v1/tgi/generate", huggingface.generate),
    ("POST", "/v1/tgi/features", huggingface.features),
    ("POST", "/v1/responses", responses.create_response),
    ("POST", "/v1/responses/*/cancel", responses.cancel_response),
    ("GET", "/v1/responses/*", responses.retrieve_response),
    ("DELETE", "/v1/responses/*", responses.delete_response),
    ("POST", "/v1/images/generations", media.generate_image),
    ("POST", "/v1/images/edits", media.edit_image),
    ("POST", "/v1/images/variations", media.edit_image),
    ("POST", "/v1/audio/speech", media.speech),
    ("POST", "/v1/audio/transcriptions", media.transcription),
    ("POST", "/v1/audio/translations", media.transcription),
    ("POST", "/v1/moderations", catalog.moderate),
    ("POST", "/v1/rerank", _rerank),
    ("POST", "/v1/v2/rerank", cohere.rerank),
    ("POST", "/v1/v2/chat", cohere.chat_v2),
    ("POST", "/v1/chat", cohere.chat_v1),
    ("POST", "/v1/generate", cohere.generate),
    ("POST", "/v1/embed", cohere.embed_texts),
    ("POST", "/v1/v2/embed", cohere.embed_texts),
    ("POST", "/v1/api/chat", ollama.chat),
    ("POST", "/v1/api/generate", ollama.generate),
    ("POST", "/v1/api/embed", ollama.embed_texts),
    ("POST", "/v1/api/embeddings", ollama.embed_prompt),
    ("GET", "/v1/models", catalog.list_models),
    ("GET", "/v1/models/*", catalog.retrieve_model),
    ("POST", "/v1/files", batches.upload_file),
    ("GET", "/v1/files/*", batches.retrieve_file),
    ("POST", "/v1/batches", batches.make_create_batch(run)),
    ("GET", "/v1/batches", batches.list_batches),
    ("POST", "/v1/batches/*/cancel", batches.cancel_batch),
    ("GET", "/v1/batches/*", batches.retrieve_batch),
    ("POST", "/v1/messages", anthropic_messages.create_message),
    ("POST", "/v1/messages/count_tokens", anthropic_messages.count),
    ("POST", "/v1/messages/batches", anthropic_batches.create_batch),
    ("GET", "/v1/messages/batches", anthropic_batches.list_batches),
    ("GET", "/v1/messages/batches/*/results", anthropic_batches.results),
    ("POST", "/v1/messages/batches/*/cancel", anthropic_batches.cancel_batch),
    ("POST", "/v1/model/*/converse", bedrock.converse),
    ("POST", "/v1/model/*/converse-stream", bedrock.converse_stream),
    ("POST", "/v1/model/*/invoke", bedrock.invoke),
    ("POST", "/v1/model/*/invoke-with-response-stream", bedrock.invoke),
    ("DELETE", "/v1/messages/batches/*", anthropic_batches.delete_batch),
    ("GET", "/v1/messages/batches/*", anthropic_batches.retrieve_batch),
    ("POST", "/v1/*:generateContent", gemini.generate),
    ("POST", "/v1/*:streamGenerateContent", gemini.stream),
    ("POST", "/v1/*:countTokens", gemini.count),
    ("POST", "/v1/*:batchEmbedContents", gemini.batch_embed),
    ("POST", "/v1/*:embedContent", gemini.embed_content),
    ("POST", "/v1/*:predict", gemini.predict),
    ("POST", "/v1/*:predictLongRunning", gemini.predict_long),
    ("POST", "/v1/*:fetchPredictOperation", gemini.fetch_video),
    ("POST", "/v1/interactions", gemini_interactions.create),
    ("POST", "/v1/interactions/*/cancel", gemini_interactions.cancel),
    ("GET", "/v1/interactions/*", gemini_interactions.fetch),
    ("DELETE", "/v1/interactions/*", gemini_interactions.delete),
)
