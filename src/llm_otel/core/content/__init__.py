"""Prompts and completions: in the conventions' shapes, off by default."""

from __future__ import annotations

from llm_otel.core.content.emit import record
from llm_otel.core.content.endpoints import request_content, response_content
from llm_otel.core.content.hook import CompletionHook, load_hook
from llm_otel.core.content.model import Content
from llm_otel.core.content.openai_responses import fetched_content
from llm_otel.core.content.policy import MODES, Policy
from llm_otel.core.content.streams import (
    Accumulator,
    ChatAccumulator,
    ResponsesAccumulator,
    accumulator,
)

__all__ = [
    "MODES",
    "Accumulator",
    "ChatAccumulator",
    "CompletionHook",
    "Content",
    "Policy",
    "ResponsesAccumulator",
    "accumulator",
    "fetched_content",
    "load_hook",
    "record",
    "request_content",
    "response_content",
]
