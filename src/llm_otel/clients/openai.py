"""openai: the reference client. Bounds are what the oldest/latest test matrix proves."""

from __future__ import annotations

from llm_otel.clients.spec import ClientSpec
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.openai.realtime import SOCKETS
from llm_otel.semconv import OPENAI_COMPATIBLE

CLIENT = ClientSpec(
    package="openai",
    supported=">=1.40,<4",
    provider=OPENAI_COMPATIBLE,
    endpoints=OPENAI,
    sockets=SOCKETS,
)
