"""together: the OpenAI protocol below `/v1`, from the SDK of the same generator (2.x and later)."""

from __future__ import annotations

from llm_otel.clients.spec import ClientSpec
from llm_otel.protocols.openai import OPENAI

CLIENT = ClientSpec(package="together", supported=">=2,<4", provider="together", endpoints=OPENAI)
