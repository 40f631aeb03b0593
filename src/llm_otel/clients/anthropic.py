"""anthropic: messages, plain and streamed, also by its clients for Vertex AI and Bedrock."""

from __future__ import annotations

from typing import Any

from llm_otel.base import read
from llm_otel.base.otel_internals import tracer_provider_is_set
from llm_otel.clients.spec import ClientSpec
from llm_otel.protocols.anthropic import ANTHROPIC


def _passes_on(client: Any) -> bool:
    """Whether a client that has no tracer provider to make spans with sends what is current.

    The SDK's own tracing (since 1.17) gives the provider the ids of its span; without one, those of
    the span around it.
    """
    options = read.get(client, "_open_telemetry")
    if type(options) is not dict or options.get("tracer_provider") is not None:
        return False
    return bool(options.get("propagation")) and not tracer_provider_is_set()


CLIENT = ClientSpec(
    package="anthropic",
    supported=">=0.43.1,<3",
    provider="anthropic",
    endpoints=ANTHROPIC,
    passes_on=_passes_on,
)
