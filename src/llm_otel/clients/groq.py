"""groq: the OpenAI protocol below `/openai/v1`."""

from __future__ import annotations

from llm_otel.clients.spec import ClientSpec
from llm_otel.protocols.openai import OPENAI

CLIENT = ClientSpec(package="groq", supported=">=0.11,<2", provider="groq", endpoints=OPENAI)
