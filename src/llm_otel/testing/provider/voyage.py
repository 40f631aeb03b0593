"""Voyage AI's API: embeddings of texts, chunks and images, and rerank."""

from __future__ import annotations

import base64
from math import fsum
from typing import Any

from .answers import count_tokens
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

_DIMENSIONS = 1024
# https://docs.voyageai.com/docs/multimodal-embeddings
_PIXELS = 1_000_000
_PIXELS_PER_TOKEN = 560


def embeddings(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/embeddings`."""
    body = _body(request)
    inputs = body.get("input")
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, list) or not texts:
        raise ProtocolError("Argument 'input' must be a string or a list of strings.")
    usage = {"total_tokens": sum(count_tokens(str(text)) for text in texts)}
    return _reply(request, [_vector(body, str(text), i) for i, text in enumerate(texts)], usage)


def contextualized(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/contextualizedembeddings`: a list of chunks for each document."""
    body = _body(request)
    documents = [each if isinstance(each, list) else [each] for each in body["inputs"]]
    data = [
        {
            "object": "list",
            "index": index,
            "data": [_vector(body, str(chunk), i) for i, chunk in enumerate(chunks)],
        }
        for index, chunks in enumerate(documents)
    ]
    tokens = sum(count_tokens(str(chunk)) for chunks in documents for chunk in chunks)
    return _reply(request, data, {"total_tokens": tokens})


def multimodal(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/multimodalembeddings`: every image and video has a million pixels."""
    body = _body(request)
    parts = [part for each in body["inputs"] for part in each["content"]]
    kinds = [str(part["type"]).partition("_")[0] for part in parts]
    text = sum(count_tokens(str(part.get("text", ""))) for part in parts)
    images, videos = (_PIXELS * kinds.count(kind) for kind in ("image", "video"))
    usage = {
        "text_tokens": text,
        "image_pixels": images,
        "video_pixels": videos,
        "total_tokens": text + (images + videos) // _PIXELS_PER_TOKEN,
    }
    data = [_vector(body, str(each), index) for index, each in enumerate(body["inputs"])]
    return _reply(request, data, usage)


def rerank(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/rerank`: documents by the words that they share with the query."""
    body = _body(request)
    query, documents = str(body.get("query", "")), [str(each) for each in body["documents"]]
    query_vector = embed(query)
    scores = [fsum(a * b for a, b in zip(query_vector, embed(document))) for document in documents]
    data: list[Json] = [
        {"relevance_score": score, "index": index} for index, score in enumerate(scores)
    ]
    data.sort(key=lambda entry: -float(entry["relevance_score"]))
    tokens = sum(count_tokens(query) + count_tokens(document) for document in documents)
    return _reply(request, data[: body.get("top_k") or len(data)], {"total_tokens": tokens})


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict) or not request.model:
        raise ProtocolError("Argument 'model' is missing.")
    return request.json


def _vector(body: Json, text: str, index: int) -> Json:
    vector: Any = embed(text, body.get("output_dimension") or _DIMENSIONS)
    as_base64 = body.get("encoding_format") == "base64"
    encoded = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
    return {"object": "embedding", "embedding": encoded, "index": index}


def _reply(request: ReceivedRequest, data: list[Json], usage: Json) -> Reply:
    body = {"object": "list", "data": data, "model": request.model, "usage": usage}
    billed = {"prompt_tokens": usage.get("text_tokens", usage["total_tokens"])}
    return Reply(body=body, usage=billed)


ENDPOINTS = (
    ("POST", "/v1/embeddings", embeddings),
    ("POST", "/v1/contextualizedembeddings", contextualized),
    ("POST", "/v1/multimodalembeddings", multimodal),
    ("POST", "/v1/rerank", rerank),
)
