"""Anthropic's Messages API, which Vertex AI, Bedrock and many gateways speak too."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.anthropic.messages import USAGE, Messages
from llm_otel.protocols.spec import Endpoint

_MODULE = "resources.messages.messages"

MESSAGES = Endpoint(
    semconv.CHAT,
    Messages(),
    USAGE,
    in_tokens=True,
    methods=((_MODULE, "Messages"), (_MODULE, "AsyncMessages")),
)

ANTHROPIC: dict[str, Endpoint] = {"post /v1/messages": MESSAGES}
