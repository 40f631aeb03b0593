"""Ollama's API: what is at which path."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.ollama.chat import USAGE, Ollama, Scores
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

_OLLAMA = Ollama()
# The counts stand in the answer itself.
_AT = ((),)

CHAT = Endpoint(semconv.CHAT, _OLLAMA, USAGE, _AT, in_tokens=True)
GENERATE = Endpoint(semconv.TEXT_COMPLETION, _OLLAMA, USAGE, _AT, in_tokens=True)
EMBED = Endpoint(semconv.EMBEDDINGS, _OLLAMA, USAGE, _AT, in_tokens=True, input_only=True)
# Questions about a text, each answered by a choice, a number or a probability.
SYSTEM_ONE = Endpoint(
    semconv.MODERATION,
    Scores(),
    {"input_tokens": "input_tokens", "output_tokens": "output_tokens"},
    in_tokens=True,
)

OLLAMA = Paths(
    {
        "post /api/chat": CHAT,
        "post /api/generate": GENERATE,
        "post /api/embed": EMBED,
        "post /api/embeddings": EMBED,
        "post /v1/systemone": SYSTEM_ONE,
    }
)
