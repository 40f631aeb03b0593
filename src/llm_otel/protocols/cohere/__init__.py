"""Cohere's API, v1 and v2: what is at which path."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.cohere.chat import USAGE, USAGE_AT, Cohere
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

_COHERE = Cohere()

CHAT = Endpoint(semconv.CHAT, _COHERE, USAGE, USAGE_AT, in_tokens=True)
GENERATE = Endpoint(semconv.TEXT_COMPLETION, _COHERE, USAGE, USAGE_AT, in_tokens=True)
EMBED = Endpoint(semconv.EMBEDDINGS, _COHERE, USAGE, USAGE_AT, in_tokens=True, input_only=True)
RERANK = Endpoint(semconv.RERANK, _COHERE, USAGE, USAGE_AT, input_only=True)
PARSE = Endpoint(semconv.OCR, _COHERE, USAGE, USAGE_AT)
CLASSIFY = Endpoint(semconv.MODERATION, _COHERE, USAGE, USAGE_AT)

# A version in front matters to nobody: where both have an endpoint, it is the same one.
COHERE = Paths(
    {
        "post /chat": CHAT,
        "post /generate": GENERATE,
        "post /summarize": GENERATE,
        "post /embed": EMBED,
        "post /rerank": RERANK,
        "post /parse": PARSE,
        "post /classify": CLASSIFY,
    }
)
