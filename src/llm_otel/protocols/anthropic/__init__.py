"""Anthropic's Messages API, which Vertex AI, Bedrock and many gateways speak too."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.anthropic.batches import Batches, BatchResults
from llm_otel.protocols.anthropic.completions import Completions
from llm_otel.protocols.anthropic.messages import USAGE, Messages
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

_MODULE = "resources.messages.messages"

MESSAGES = Endpoint(
    semconv.CHAT,
    Messages(),
    USAGE,
    in_tokens=True,
    methods=tuple(
        (_MODULE, f"{name}.{method}")
        for name in ("Messages", "AsyncMessages")
        for method in ("create", "stream")
    ),
)


def _batch(operation: str) -> Endpoint:
    return Endpoint(operation, Batches(), polled=True, billed=False)


ANTHROPIC = Paths(
    {
        "post /v1/messages": MESSAGES,
        "post /v1/complete": Endpoint(semconv.TEXT_COMPLETION, Completions(), in_tokens=True),
        "post /v1/messages/batches": _batch(semconv.CREATE_BATCH),
        "get /v1/messages/batches/{id}": _batch(semconv.FETCH_BATCH),
        "post /v1/messages/batches/{id}/cancel": _batch(semconv.CANCEL_BATCH),
        "get /v1/messages/batches/{id}/results": Endpoint(
            semconv.FETCH_BATCH,
            BatchResults(),
            USAGE,
            polled=True,
            billed=False,
            service_tier="batch",
        ),
    }
)
