"""`/v1/models`, `/v1/moderations` and `/v1/rerank`."""

from __future__ import annotations

from math import fsum

from .answers import SNAPSHOTS, count_tokens
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import CREATED, State

_MODELS = (
    *SNAPSHOTS,
    "text-embedding-3-small",
    "text-embedding-3-large",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "gpt-4o-transcribe",
    "whisper-1",
    "omni-moderation-latest",
)
# category: a word that puts a text in it
_MODERATED = {
    "harassment": "idiot",
    "harassment/threatening": "beware",
    "hate": "hate",
    "hate/threatening": "purge",
    "illicit": "smuggle",
    "illicit/violent": "bomb",
    "self-harm": "self-harm",
    "self-harm/instructions": "self-harm how",
    "self-harm/intent": "hurt myself",
    "sexual": "nude",
    "sexual/minors": "minor nude",
    "violence": "kill",
    "violence/graphic": "gore",
}
_FLAGGED, _CLEAR = 0.9, 0.01


def list_models(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `GET /v1/models`."""
    return Reply(body={"object": "list", "data": [_model(name) for name in _MODELS]})


def retrieve_model(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `GET /v1/models/{name}`."""
    name = request.route.split("/", 3)[3]
    if name not in _MODELS:
        raise ProtocolError(
            f"The model '{name}' does not exist", status=404, code="model_not_found", param="model"
        )
    return Reply(body=_model(name))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "llm-otel"}


def moderate(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/moderations`: a text is flagged for the words of `_MODERATED`."""
    body = request.json
    if not isinstance(body, dict) or "input" not in body:
        raise ProtocolError("Missing required parameter: 'input'.", param="input")
    given = body["input"]
    inputs = given if isinstance(given, list) else [given]
    results = [_moderation(str(item).lower()) for item in inputs]
    model = request.model or "omni-moderation-latest"
    return Reply(body={"id": state.new_id("modr-"), "model": model, "results": results})


def _moderation(text: str) -> Json:
    categories = {name: word in text for name, word in _MODERATED.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": {name: _FLAGGED if hit else _CLEAR for name, hit in categories.items()},
        "category_applied_input_types": {name: ["text"] for name in categories},
    }


def rerank(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/rerank` (Together): documents by the words they share with the query."""
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("documents"), list):
        raise ProtocolError("Missing required parameter: 'documents'.", param="documents")
    query = embed(str(body.get("query", "")))
    scored = []
    for index, document in enumerate(map(str, body["documents"])):
        score = fsum(a * b for a, b in zip(query, embed(document)))
        scored.append({"index": index, "relevance_score": score, "document": {"text": document}})
    scored.sort(key=lambda entry: -float(str(entry["relevance_score"])))
    tokens = sum(count_tokens(str(text)) for text in (body.get("query"), *body["documents"]))
    return Reply(
        body={
            "id": state.new_id("rerank-"),
            "object": "rerank",
            "model": request.model,
            "results": scored[: body.get("top_n") or len(scored)],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens},
        }
    )
